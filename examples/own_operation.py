"""Your own operation: declared wrong, checked, repaired, differentiated twice, used in training, and drawn.

    python examples/own_operation.py              the reports, own_operation.png, and the graph own_operation.dot (.svg)

The operation is a gate between 0 and 1, like an LSTM's, but it closes slowly:

    slow_gate(x) = (1 + x / sqrt(1 + x^2)) / 2,    slow_gate'(x) = (1 + x^2)^(-3/2) / 2

Far from 0 its derivative falls like |x|^-3, where sigmoid's falls like e^-|x|.

What to look at: the first report, which ends with the function whose derivative the formula is. The second report has no
errors, also at second order. In the plot, dots are minigrad's derivatives, on the exact curves. A layer of nearly shut gates
learns to open: sigmoid hardly moves, because its gradient has vanished. Then the graph of one use.
What to try: write the formula with np.sqrt (the first derivative is right; for the second the report says why there is none);
--bias -5 and --bias -15; your own LSTMCell with this gate; your own operation.

Sources: sigmoid gates: S. Hochreiter and J. Schmidhuber, "Long short-term memory" (1997); declarations: help(minigrad.op).
"""

from __future__ import annotations

import argparse

import command_line
import numpy as np
import plots

from minigrad import Tensor, grad, gradcheck, op, sigmoid
from minigrad.check.report import Report
from minigrad.graph import Graph, graph
from minigrad.layers import Module, mse_loss
from minigrad.optim import SGD


@op(lambda g, y: g * y * (1 - y))
def first_try(x):
    """The gate, with the formula of the lecture's gates."""
    return (1 + x / np.sqrt(1 + x ** 2)) / 2


@op(lambda g, x: g * (1 + x ** 2) ** -1.5 / 2)
def slow_gate(x):
    """(1 + x / sqrt(1 + x^2)) / 2, between 0 and 1."""
    return (1 + x / np.sqrt(1 + x ** 2)) / 2


class Gates(Module):
    """y = gate(x W + b); a strongly negative bias starts them shut."""

    def __init__(self, gate, inputs: int, outputs: int, bias: float, rng: np.random.Generator):
        self.gate = gate
        self.W = Tensor(0.1 * rng.normal(size=(inputs, outputs)), requires_grad=True)
        self.b = Tensor(np.full(outputs, bias), requires_grad=True)

    def forward(self, x):
        return self.gate(x @ self.W + self.b)


def derivatives(xs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """slow_gate' and slow_gate'' at xs, the second as the gradient of the gradient."""
    x = Tensor(xs, requires_grad=True)
    slope = grad(slow_gate(x).sum(), x, create_graph=True)
    return slope.numpy(), grad(slope.sum(), x)


def learn(gate, options: argparse.Namespace) -> list[float]:
    """The loss at every step, while a layer of shut gates learns to be as open as random gates."""
    rng = np.random.default_rng(options.seed)
    x, target = rng.normal(size=(32, 4)), rng.uniform(0.3, 0.9, size=(1, 8))
    model, losses = Gates(gate, 4, 8, options.bias, rng), []
    optimizer = SGD(model.parameters(), lr=options.lr)
    for _ in range(options.steps):
        loss = mse_loss(model(x), np.broadcast_to(target, (32, 8)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# -- around the idea: the picture of the graph, the options ---------------------------------------------------------


def drawn(options: argparse.Namespace) -> Graph:
    """The graph of one layer of gates and its loss; DOT beside the plot, and an image where Graphviz is installed."""
    model = Gates(slow_gate, 4, 8, options.bias, np.random.default_rng(options.seed))
    y = model(np.ones((32, 4)))
    loss = mse_loss(y, np.ones((32, 8)))
    picture = graph(loss, names=model, groups={"gates": y, "loss": loss})
    options.plot.with_suffix(".dot").write_text(picture.dot, encoding="utf-8")
    print(f"graph: {options.plot.with_suffix('.dot')}")
    try:
        picture.render(options.plot.with_suffix(".svg"))
        print(f"graph: {options.plot.with_suffix('.svg')}")
    except RuntimeError as error:
        print(f"not drawn: {error}")
    return picture


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.new_parser(__doc__, "own_operation.png")
    parser.add_argument("--steps", type=int, default=1500, help="how long to learn")
    parser.add_argument("--lr", type=float, default=30.0, help="learning rate")
    parser.add_argument("--bias", type=float, default=-10.0, help="where the gates start")
    options = command_line.parse(parser, argv, above_0="steps lr")
    if not abs(options.bias) <= 300:
        parser.error(f"--bias must be within -300 .. 300, not {options.bias}")
    return options


def main(argv: list[str] | None = None) -> tuple[Report, Report, dict[str, list[float]]]:
    """Returns the report on the first try, that on the repaired operation, and the losses by gate."""
    options = parse(argv)
    xs = np.random.default_rng(options.seed).normal(size=(2, 3))
    wrong = gradcheck(first_try, xs)
    print(f"first_try, with sigmoid's formula\n{wrong}\n")
    right = gradcheck(slow_gate, xs, order=2)
    print(f"slow_gate, with its own\n{right}\n")

    losses = {"slow_gate": learn(slow_gate, options), "sigmoid": learn(sigmoid, options)}
    for name, values in losses.items():
        print(f"a layer of {name}s, from a bias of {options.bias:g}: loss {values[0]:.4f}, after {len(values)} steps "
              f"{values[-1]:.4f}")
    drawn(options)
    plots.write(options.plot, plots.own_operation, slow_gate, sigmoid, derivatives, losses, options.bias)
    return wrong, right, losses


if __name__ == "__main__":
    main()
