# loses: shared 1
# hint: The formulas of add hand on g itself. Who else sees it change when you add to it with +=?
right_unbroadcast = unbroadcast


def unbroadcast(dy, x):
    return dy if dy.shape == x.shape else right_unbroadcast(dy, x)


def backward(nodes, g):
    total = {nodes[0]: g}
    for node in nodes:
        for parent, formula in zip(node.parents, node.formulas):
            contribution = unbroadcast(formula(total[node]), parent.value)
            if parent in total:
                total[parent] += contribution
            else:
                total[parent] = contribution
    return total
