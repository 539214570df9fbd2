# loses: step_backward 4
# hint: Which function makes the candidate, sigma or tanh? Whose slope is in its line?
def step_backward(dh_new, dc_new, x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    def s(z):
        return 0.5 + 0.5 * np.tanh(0.5 * z)

    h_x = np.concatenate([h, x], axis=-1)
    f, i, o = s(h_x @ W_f + b_f), s(h_x @ W_i + b_i), s(h_x @ W_o + b_o)
    candidate = np.tanh(h_x @ W_c + b_c)
    C = f * c + i * candidate
    shown = np.tanh(C)
    dC = dc_new + dh_new * o * (1 - shown ** 2)
    dz = {"f": dC * c * f * (1 - f), "i": dC * candidate * i * (1 - i), "c": dC * i * candidate * (1 - candidate),
          "o": dh_new * shown * o * (1 - o)}
    dh_x = sum(dz[gate] @ W.T for gate, W in zip("fico", (W_f, W_i, W_c, W_o)))
    H = h.shape[1]
    return {"dx": dh_x[:, H:], "dh": dh_x[:, :H], "dc": dC * f,
            **{f"dW_{gate}": h_x.T @ dz[gate] for gate in dz}, **{f"db_{gate}": dz[gate].sum(axis=0) for gate in dz}}
