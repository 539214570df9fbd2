# loses: step_backward 2
# hint: Which columns of [h, x] belong to h? Try D = 1 on paper.
right_backward = step_backward


def step_backward(x, **given):
    found, D = right_backward(x=x, **given), x.shape[1]
    dh_x = np.concatenate([found["dh"], found["dx"]], axis=-1)
    return {**found, "dx": dh_x[:, :D], "dh": dh_x[:, D:]}
