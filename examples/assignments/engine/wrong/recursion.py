# loses: long_chain 2
# hint: Python lets functions call each other a thousand deep. What could hold the nodes that still wait, in a loop?
def order(y):
    found, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            found.append(node)
    visit(y)
    return found[::-1]
