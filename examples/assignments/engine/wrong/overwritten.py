# loses: reuse 6
# hint: For y = x * x, what is in your dict at x after the first formula, and after the second?
def backward(nodes, g):
    total = {nodes[0]: g}
    for node in nodes:
        for parent, formula in zip(node.parents, node.formulas):
            total[parent] = unbroadcast(formula(total[node]), parent.value)
    return total
