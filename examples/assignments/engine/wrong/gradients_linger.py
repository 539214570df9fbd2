# loses: again 1
# hint: Call backward twice. With what does every sum begin the second time?
def backward(nodes, g):
    nodes[0].gradient = g
    for node in nodes:
        for parent, formula in zip(node.parents, node.formulas):
            before = getattr(parent, "gradient", 0.0)
            parent.gradient = before + unbroadcast(formula(node.gradient), parent.value)
    return {node: node.gradient for node in nodes}
