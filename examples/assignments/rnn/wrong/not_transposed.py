# loses: step_backward 2
# hint: Test with a W_h that is far from symmetric. In z = h @ W_h, which entries of z does h[0, 0] change?
def step_backward(dh_new, h_new, x, h, W_x, W_h):
    dz = dh_new * (1 - h_new * h_new)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": dz.sum(axis=0)}
