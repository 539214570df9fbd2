# loses: step_backward 2
# hint: Double the batch by repeating it. How does the loss change with b then, and how does your db?
def step_backward(dh_new, h_new, x, h, W_x, W_h):
    dz = dh_new * (1 - h_new * h_new)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h.T, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": dz.mean(axis=0)}
