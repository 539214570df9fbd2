# loses: broadcast 3
# hint: Print the shapes of a bias and of what you return for it. Who calls unbroadcast?
def backward(nodes, g):
    total = {nodes[0]: g}
    for node in nodes:
        for parent, formula in zip(node.parents, node.formulas):
            total[parent] = total.get(parent, 0.0) + formula(total[node])
    return total
