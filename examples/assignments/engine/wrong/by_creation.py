# loses: order 4, many_paths 2, long_chain 2
# hint: You sort by the time when nodes were made. A graph can be put together later: look at the order of the lines in
#   order_of.
class Node:
    made = []

    def __init__(self, value, parents=(), formulas=()):
        self.value, self.parents, self.formulas = np.asarray(value, dtype=float), parents, formulas
        self.number = len(Node.made)
        Node.made.append(self)


def order(y):
    found, stack = {y}, [y]
    while stack:
        new = set(stack.pop().parents) - found
        found |= new
        stack += new
    return sorted(found, key=lambda node: -node.number)
