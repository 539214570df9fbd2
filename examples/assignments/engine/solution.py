"""An autograd engine: the order of the way back, adding up, and undoing broadcasting. The handout has the equations.

A Node is a value and how it was computed. You write `unbroadcast`, `order` and `backward`; the rest is given.
"""

import numpy as np


class Node:
    """A value, the nodes that it was computed from, and a formula for each of these. Where g arrives at this node, formula(g)
    is what arrives at that parent, before broadcasting is undone."""

    def __init__(self, value, parents=(), formulas=()):
        self.value, self.parents, self.formulas = np.asarray(value, dtype=float), parents, formulas


def add(a, b):
    return Node(a.value + b.value, (a, b), (lambda g: g, lambda g: g))


def mul(a, b):
    return Node(a.value * b.value, (a, b), (lambda g: g * b.value, lambda g: g * a.value))


def matmul(a, b):
    return Node(a.value @ b.value, (a, b), (lambda g: g @ b.value.T, lambda g: a.value.T @ g))


def tanh(x):
    y = np.tanh(x.value)
    return Node(y, (x,), (lambda g: g * (1 - y * y),))


OPERATIONS = {"add": add, "mul": mul, "matmul": matmul, "tanh": tanh}


def unbroadcast(dy, x):
    """NumPy has stretched the array x to the shape of dy. dy arrives at the stretched one: return what arrives at x, an array of
    x's shape."""
    ### BEGIN SOLUTION
    dx = dy.sum(axis=tuple(range(dy.ndim - x.ndim)))  # axes that NumPy has put in front
    return dx.sum(axis=tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def order(y):
    """A list of every node that y was computed from, y too, each of them once: y first, and every node before its parents."""
    ### BEGIN SOLUTION
    found, seen, stack = [], set(), [(y, False)]
    while stack:
        node, parents_are_done = stack.pop()
        if parents_are_done:
            found.append(node)
        elif node not in seen:
            seen.add(node)
            stack += [(node, True), *((parent, False) for parent in node.parents)]
    return found[::-1]
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def order_of(parents, root):
    """Given. `order` as it is graded: node number i was computed from the nodes with the numbers parents[i]."""
    nodes = [Node(0.0) for _ in parents]
    for node, numbers in zip(nodes, parents):
        node.parents = tuple(nodes[i] for i in numbers)
    number_of = {node: i for i, node in enumerate(nodes)}
    return np.array([number_of[node] for node in order(nodes[root])])


def backward(nodes, g):
    """nodes: as a right `order` gives them. g, an array, arrives at nodes[0]. Return a dict: the gradient of every node."""
    ### BEGIN SOLUTION
    total = {nodes[0]: g}
    for node in nodes:
        for parent, formula in zip(node.parents, node.formulas):
            contribution = unbroadcast(formula(total[node]), parent.value)
            total[parent] = total[parent] + contribution if parent in total else contribution
    return total
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def gradients_of(program, times, a, b, c, dy):
    """Given. `backward` as it is graded. Nodes 0, 1, 2 have the values a, b, c; each line of the program, such as ["mul", 0, 2],
    makes the next node. dy arrives at the last one. backward is called so many times; the last answer counts."""
    nodes = [Node(a), Node(b), Node(c)]
    for name, *numbers in program:
        nodes.append(OPERATIONS[name](*(nodes[i] for i in numbers)))
    for _ in range(times):
        found = backward(nodes[::-1], dy)
    return {"da": found[nodes[0]], "db": found[nodes[1]], "dc": found[nodes[2]]}


def long_way_of(length, x, g):
    """Given. `backward` through so many tanh, one after the other."""
    nodes = [Node(x)]
    for _ in range(length):
        nodes.append(tanh(nodes[-1]))
    return backward(nodes[::-1], g)[nodes[0]]
