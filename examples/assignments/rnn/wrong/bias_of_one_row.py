# loses: step_backward 2
# hint: Test with a batch of 2 and different rows. How often is b used in one step?
def step_backward(dh_new, h_new, x, h, W_x, W_h):
    dz = dh_new * (1 - h_new * h_new)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h.T, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": dz[0]}
