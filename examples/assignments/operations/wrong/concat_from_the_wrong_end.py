# loses: concat 2
# hint: Which columns of the output came from a? Write the indices down for a with 3 and b with 4 columns.
@op(lambda g, a_shape: g[..., -a_shape[-1]:], lambda g, b_shape: g[..., :b_shape[-1]])
def concat(a, b):
    return np.concatenate([a, b], axis=-1)
