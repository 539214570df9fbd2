# loses: order 4, many_paths 2
# hangs: many_paths
# hint: Draw y = x + x as a graph. How often does your walk come to x, and how often after 60 doublings?
def order(y):
    found, stack = [], [y]
    while stack:
        found.append(stack.pop())
        stack += found[-1].parents
    return found
