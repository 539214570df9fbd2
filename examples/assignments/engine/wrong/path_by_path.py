# loses: long_way 1
# hint: Your function calls itself for every parent. How deep is that after 4,000 operations? You were given an order.
def backward(nodes, g):
    total = {}

    def follow(node, g):
        total[node] = total.get(node, 0.0) + g
        for parent, formula in zip(node.parents, node.formulas):
            follow(parent, unbroadcast(formula(g), parent.value))
    follow(nodes[0], g)
    return total
