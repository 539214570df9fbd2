"""The engine: 30 points. Orders are judged by what an order must be, gradients by the differences of the forward."""

from minigrad import tanh

assignment("engine", title="An autograd engine", seconds=60)

rules = dict(allow=["numpy"])
OPERATIONS = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "matmul": lambda a, b: a @ b, "tanh": tanh}


# -- undoing broadcasting

def stretched_to(*shape):
    return lambda x: x + np.zeros(shape)


unbroadcast = dict(function="unbroadcast", outputs=["y"], names=["x"], takes=["dy", "x"], parts=["dx"], **rules)
question("new_axes", points=2, reference=stretched_to(2, 3, 4), inputs=[(4,)], **unbroadcast)
question("stretched", points=2, reference=stretched_to(3, 4, 2), inputs=[(3, 1, 2)], **unbroadcast)
question("both", points=2, reference=stretched_to(2, 3, 4, 5), inputs=[(4, 1)], **unbroadcast)
question("nothing", points=1, reference=stretched_to(3, 1), inputs=[(3, 1)], **unbroadcast)


# -- the order

def an_order(parents, root):
    """Nodes that every user of them has been named before."""
    reached, stack = {root}, [root]
    while stack:
        new = set(parents[stack.pop()]) - reached
        reached |= new
        stack += new
    users = {i: 0 for i in reached}
    for i in reached:
        for parent in parents[i]:
            users[parent] += 1
    ready, found = [root], []
    while ready:
        found.append(ready.pop())
        for parent in parents[found[-1]]:
            users[parent] -= 1
            if not users[parent]:
                ready.append(parent)
    return np.array(found)


def no_order(order, parents, root):
    """What is wrong with an order, or ""."""
    if order.ndim != 1 or not set(order.tolist()) <= set(range(len(parents))):
        return "it is no list of nodes of this graph"
    found = [int(i) for i in order]
    place = {node: i for i, node in enumerate(found)}
    if len(place) < len(found):
        nodes, times = np.unique(found, return_counts=True)
        return f"node {nodes[times.argmax()]} is there {times.max()} times"
    if found[:1] != [root]:
        return f"y, which is node {root}, is not the first one"
    for node in found:
        for parent in parents[node]:
            if parent not in place:
                return f"node {parent} is missing: node {node} was computed from it"
            if place[parent] < place[node]:
                return f"node {parent} comes before node {node}, which was computed from it"
    needed, used = {root}, [root]
    while used:
        new = set(parents[used.pop()]) - needed
        needed, used = needed | new, [*used, *new]
    return "" if len(needed) == len(found) else f"node {min(set(found) - needed)} is there, and y was not computed from it"


def renumbered(rng, parents, root):
    """The same graph with other numbers: they tell nothing about age."""
    number = rng.permutation(len(parents)).tolist()
    found = [[]] * len(parents)
    for i, own in enumerate(parents):
        found[number[i]] = [number[parent] for parent in own]
    return found, number[root]


def graph(rng):
    """Two leaves; a diamond, whose short side is named first, and then last; a node used twice by one other; random ones; two
    nodes that the root was not computed from."""
    parents = [[], [], [0, 1], [2], [3], [2, 4], [5, 2], [6, 6]]
    for i in range(8, 14):
        parents.append([i - 1, *rng.integers(0, i, rng.integers(1, 3)).tolist()])
    return renumbered(rng, [*parents, [3], [14, 13]], 13)


def chain(rng):
    return renumbered(rng, [[], *([i] for i in range(4_000))], 4_000)


def doublings(rng):
    return renumbered(rng, [[], *([i, i] for i in range(60))], 60)


order = dict(function="order_of", reference=an_order, outputs=["order"], takes=["parents", "root"], parts=["order"],
             fault=no_order, **rules)
question("order", points=4, inputs=graph, **order)
question("many_paths", points=2, inputs=doublings, seconds=3, **order)  # every path: 2^60 steps
question("long_chain", points=2, inputs=chain, **order)


# -- backward

def run(program, times, a, b, c):
    nodes = [a, b, c]
    for name, *numbers in program:
        nodes.append(OPERATIONS[name](*(nodes[i] for i in numbers)))
    return nodes[-1]


def leaves(program, *shapes, times=1):
    return lambda rng: (program, times, *(rng.uniform(0.5, 1.5, shape) for shape in shapes))


def reusing(rng):
    """Every leaf is used twice; then what is random; then all that was not used is multiplied."""
    program = [["mul", 0, 1], ["mul", 1, 2], ["mul", 2, 0]]
    for i in range(6, 12):
        name = ["mul", "tanh"][rng.integers(2)]
        program.append([name, *rng.integers(3, i, 2 if name == "mul" else 1).tolist()])
    unused = sorted(set(range(3, 12)) - {i for _, *numbers in program for i in numbers})
    for i in unused[:-1]:
        program.append(["mul", len(program) + 2, i])
    return leaves(program, (2, 3), (2, 3), (2, 3))(rng)


once = [["matmul", 0, 1], ["tanh", 3], ["mul", 4, 2]]
backward = dict(function="gradients_of", reference=run, outputs=["y"], takes=["program", "times", "a", "b", "c", "dy"],
                parts=["da", "db", "dc"], needs=["new_axes", "stretched", "both", "nothing"], **rules)
question("chain", points=3, inputs=leaves(once, (2, 3), (3, 4), (2, 4)), **backward)
question("reuse", points=6, inputs=reusing, **backward)
question("shared", points=1, inputs=leaves([["add", 0, 1], ["add", 3, 0], ["mul", 4, 2]], (2, 3), (2, 3), (2, 3)),
         **{**backward, "parts": ["db"]})
question("broadcast", points=3, inputs=leaves([["mul", 0, 1], ["add", 3, 2]], (2, 1), (3,), ()), **backward)
question("again", points=1, inputs=leaves(once, (2, 3), (3, 4), (2, 4), times=2), **{**backward, "parts": ["da"]})


def slope(length, x, g):
    """Forwards, so that it needs no order."""
    for _ in range(length):
        x = np.tanh(x)
        g = g * (1 - x * x)
    return g


question("long_way", points=1, function="long_way_of", reference=slope, outputs=["gradient"], takes=["length", "x", "g"],
         parts=["gradient"], inputs=lambda rng: (4_000, *rng.uniform(0.5, 1.5, (2, 3))), needs=backward["needs"],
         seconds=30, **rules)  # a right unbroadcast in its place is asked 4,000 times
