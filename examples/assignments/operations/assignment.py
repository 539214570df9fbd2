"""Operations: 30 points. minigrad's own sigmoid, tanh and concat are withheld."""

from minigrad import concat, exp, log, matmul, sigmoid, tanh

assignment("operations", title="Operations and their gradients", seconds=60)

rules = dict(order=2, withhold=["sigmoid", "tanh", "concat"])

question("sigmoid", points=4, op=sigmoid, inputs=[(3, 4)], **rules)
question("tanh", points=4, op=tanh, inputs=[(3, 4)], **rules)
question("matmul", points=6, op=matmul, inputs=[(2, 3), (3, 4)], **rules)
question("concat", points=4, op=lambda a, b: concat(a, b, axis=-1), inputs=[(2, 3), (2, 4)], **{**rules, "order": 1})
question("drawn", points=4, inputs=[(3, 4)], needs=["sigmoid"], **rules, variants=[
    dict(thing="softplus", op=lambda x: log(1 + exp(x))),
    dict(thing="silu", op=lambda x: x / (1 + exp(-x))),
    dict(thing="bell", op=lambda x: exp(-x * x)),
    dict(thing="resonance", op=lambda x: x / (1 + x * x)),
])

M = np.random.default_rng(0).normal(size=(4, 4))


def slope(x):
    return 1 - np.tanh(x) ** 2


def last_is_zero(x, g):
    return np.append((g * slope(x))[:-1], 0)


question("is_right", points=8, tests="is_right", inputs=[(4,)], withhold=rules["withhold"],
         right={"tanh": (np.tanh, lambda x, g: g * slope(x)),
                "sin of a product": (lambda x: np.sin(M @ x), lambda x, g: M.T @ (g * np.cos(M @ x)))},
         planted={"a missing transpose": (lambda x: np.sin(M @ x), lambda x, g: M @ (g * np.cos(M @ x))),
                  "an ignored g": (np.tanh, lambda x, g: slope(x)),
                  "a wrong last entry": (np.tanh, last_is_zero),
                  "a small error": (np.tanh, lambda x, g: 1.001 * g * slope(x))})
