# loses: step_backward 10
# hint: Your formula for the slope of tanh needs the sum z, or it needs tanh(z). Which of the two is h_new?
def step_backward(dh_new, h_new, x, h, W_x, W_h):
    dz = dh_new * (1 - np.tanh(h_new) ** 2)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h.T, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": dz.sum(axis=0)}
