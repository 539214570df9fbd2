# loses: step_backward 10
# hint: Sketch tanh. Can its slope be larger than 1 anywhere?
def step_backward(dh_new, h_new, x, h, W_x, W_h):
    dz = dh_new * (1 + h_new * h_new)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h.T, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": dz.sum(axis=0)}
