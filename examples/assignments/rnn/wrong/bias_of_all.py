# loses: step_backward 2
# hint: Print db. Should all of its entries be equal? Over which axis is b repeated in the forward?
def step_backward(dh_new, h_new, x, h, W_x, W_h):
    dz = dh_new * (1 - h_new * h_new)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h.T, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": np.full(len(W_h), dz.sum())}
