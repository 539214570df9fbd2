# loses: step_backward 1
# hint: c_new = f * c + ...: what is the derivative for c?
right_backward = step_backward


def step_backward(h, x, W_f, b_f, **given):
    f = 1 / (1 + np.exp(-(np.concatenate([h, x], axis=-1) @ W_f + b_f)))
    found = right_backward(h=h, x=x, W_f=W_f, b_f=b_f, **given)
    return {**found, "dc": found["dc"] / f}
