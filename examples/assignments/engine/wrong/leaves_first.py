# loses: order 4, many_paths 2, long_chain 2
# hint: Where does y stand in your list? In which direction does backward walk?
right_order = order


def order(y):
    return right_order(y)[::-1]
