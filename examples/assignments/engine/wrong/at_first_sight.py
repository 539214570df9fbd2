# loses: order 4
# hint: You put a node into the list when you first see it. Which of the nodes that use it may still come later?
def order(y):
    found, seen, stack = [], {y}, [y]
    while stack:
        found.append(stack.pop())
        for parent in found[-1].parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return found
