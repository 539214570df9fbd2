# loses: concat 2
# hint: Print the first row of your output. Whose numbers come first?
@op(lambda g, a_shape: g[..., :a_shape[-1]], lambda g, a_shape: g[..., a_shape[-1]:])
def concat(a, b):
    return np.concatenate([b, a], axis=-1)
