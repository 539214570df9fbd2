"""How much of the gradient at the last time step arrives k steps before? RNN and LSTM, measured and exact.

    python examples/vanishing_gradients.py                       the table, and the plot vanishing_gradients.png
    python examples/vanishing_gradients.py --steps 300 --seeds 20

A network reads random numbers for T steps. Then grad() gives the gradient of one random direction of the last state
for the state k steps before. The plot shows its norm, relative to the norm at k = 0, over k, on a logarithmic scale.

What to look at: straight lines. The gradient is multiplied at every step, so it shrinks or grows like a power.
Two kinds of line are known exactly, and this program stops if it measures anything else:
  - a linear RNN whose W is a gain times an orthogonal matrix: gain^k;
  - an LSTM with weights of zero, where the memory cell is the only way back: sigmoid(forget bias)^k.
The RNN with tanh stays below the line of its gain, and its gradient vanishes unless the gain is about 1 or more;
minigrad's RNN starts at about 0.58 (the spectral radius of uniform weights within +-1/sqrt(H)). The LSTM's gradient
comes back along the cell; the forget bias decides how much. The way through the gates' weights adds to it, so with a
large bias it may even grow. The black line hardly falls: it is an RNN with relu that starts at the identity. Units
above 0 pass the gradient back unchanged, the others cut it off. So it loses a unit now and then, but not a share at
every step. At the end the program shows, for a gain above 1, how clipping reduces an exploded gradient.
What to try: --gains 1.2 2 3 (the further above 1, the more the seeds disagree), --input-scale 1 (a saturated tanh
lets little through), --forget-biases -1 10.

Sources: S. Hochreiter and J. Schmidhuber, "Long short-term memory" (1997): the error flow in a cell without a forget
gate is constant, 1^k. F. Gers et al., "Learning to forget" (2000): the forget gate. R. Pascanu et al., "On the
difficulty of training recurrent neural networks" (2013): gain^k, explosion and clipping. Q. Le et al., "A simple way to
initialize recurrent networks of rectified linear units" (2015): the identity. C. Olah, "Understanding LSTM Networks"
(2015).
"""

from __future__ import annotations

import argparse
import math

import command_line
import numpy as np
import plots
from tqdm import tqdm

from minigrad import Tensor, concat, grad
from minigrad.layers import LSTMCell, Module, RNNCell, mse_loss
from minigrad.optim import SGD, clip_grad_norm

RTOL = 1e-10  # rounding errors of so many steps are far below
INPUTS = 4


class LinearRNNCell(RNNCell):
    """RNNCell without the tanh:  h_t = W [h_{t-1}, x_t] + b"""

    def forward(self, x, h):
        return concat(h, x, axis=-1) @ self.W + self.b


def rnn_cell(kind: type, gain: float, hidden: int, rng: np.random.Generator) -> RNNCell:
    """W for h is gain times an orthogonal matrix: all its singular values are the gain."""
    cell = kind(INPUTS, hidden, rng=rng, init="orthogonal")
    cell.W.data[:hidden] *= gain
    return cell


def relu_cell(gain: float, hidden: int, rng: np.random.Generator) -> RNNCell:
    """W for h is gain times the identity, as Le et al. start; b is 0."""
    cell = RNNCell(INPUTS, hidden, rng=rng, nonlinearity="relu")
    cell.W.data[:hidden] = gain * np.eye(hidden)
    return cell


def lstm_cell(forget_bias: float, hidden: int, rng: np.random.Generator, weights: float = 1.0) -> LSTMCell:
    """Weights of 0: all gates are constant, and no later step reads h_t = o tanh(C_t)."""
    cell = LSTMCell(INPUTS, hidden, rng=rng, forget_bias=forget_bias)
    for W in (cell.W_f, cell.W_i, cell.W_c, cell.W_o):
        W.data *= weights
    return cell


def gradient_norms(cell: Module, xs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The norms of d(u . s_T) / d s_{T-k} for k = 0 .. T, with a random u of length 1.

    s is the state, or for an LSTM the memory cell C, because h_{t-1} reaches C_t only through the weights.
    """
    H, is_lstm = cell.hidden_size, isinstance(cell, LSTMCell)
    start = Tensor(rng.normal(size=(1, H)) / math.sqrt(H), requires_grad=True)
    states = [(Tensor(np.zeros((1, H))), start) if is_lstm else start]
    for x in xs:
        states.append(cell(x[None], states[-1]))
    remembered = [s[1] if is_lstm else s for s in states]
    u = rng.normal(size=(1, H))
    gradients = grad((remembered[-1] * (u / np.linalg.norm(u))).sum(), remembered)
    return np.array([np.linalg.norm(g) for g in gradients[::-1]])


# -- around the idea: networks and seeds, the tables, the options ---------------------------------------------------


def over_seeds(make, options: argparse.Namespace, progress: tqdm) -> np.ndarray:
    """gradient_norms of make(rng), one row for each seed."""
    rows = []
    for i in range(options.seeds):
        rng = np.random.default_rng(options.seed + i)
        cell = make(rng)
        rows.append(gradient_norms(cell, options.input_scale * rng.normal(size=(options.steps, INPUTS)), rng))
        progress.update()
    return np.array(rows)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def measure(options: argparse.Namespace) -> tuple[dict, dict]:
    """Norms (seeds, steps + 1) for each (kind, gain or forget bias), and the exact norms (steps + 1,) if known.

    Raises AssertionError if a measured norm differs from the exact one.
    """
    k, H = np.arange(options.steps + 1), options.hidden
    makers, exact = {}, {}
    for gain in options.gains:
        makers["linear RNN", gain] = lambda rng, gain=gain: rnn_cell(LinearRNNCell, gain, H, rng)
        makers["RNN", gain] = lambda rng, gain=gain: rnn_cell(RNNCell, gain, H, rng)
        exact["linear RNN", gain] = gain ** k.astype(float)
    makers["ReLU RNN", 1.0] = lambda rng: relu_cell(1.0, H, rng)
    for bias in options.forget_biases:
        makers["cell only", bias] = lambda rng, bias=bias: lstm_cell(bias, H, rng, weights=0)
        makers["LSTM", bias] = lambda rng, bias=bias: lstm_cell(bias, H, rng)
        exact["cell only", bias] = sigmoid(bias) ** k.astype(float)
    norms = {}
    with tqdm(total=len(makers) * options.seeds, unit="network") as progress:
        for key, make in makers.items():
            norms[key] = over_seeds(make, options, progress)
    for key, values in exact.items():
        for row in norms[key]:
            np.testing.assert_allclose(row, values, rtol=RTOL, atol=0, err_msg=f"{key}")
    return norms, exact


def table(norms: dict, exact: dict, options: argparse.Namespace) -> str:
    """A table: measured beside exact norms at the last k."""
    k = options.steps
    names = {"linear RNN": ("gain", "gain^k, Pascanu et al. 2013"),
             "cell only": ("forget bias", "sigmoid(bias)^k, Gers et al. 2000"),
             "RNN": ("gain", "none: tanh' depends on the states"),
             "ReLU RNN": ("gain", "none: a unit at 0 hands nothing back"), "LSTM": ("forget bias", "none: gates depend on h")}
    lines = [f"the gradient's norm at k = {k}, relative to k = 0; {options.seeds} seeds",
             f"{'network':10}  {'':15}  {'median':>8}  {'lowest .. highest':>20}  {'exact':>8}  source"]
    for kind, (parameter, source) in names.items():
        for (other, value), rows in norms.items():
            if other == kind:
                last = rows[:, k]
                reference = f"{exact[kind, value][k]:8.1e}" if (kind, value) in exact else f"{'-':>8}"
                lines.append(f"{kind:10}  {parameter + f' {value:g}':15}  {np.median(last):8.1e}  {last.min():8.1e} .. "
                             f"{last.max():8.1e}  {reference}  {source}")
    return "\n".join(lines)


def clipping(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """One step of SGD on an RNN with the largest gain, whose target is a random last state, without and with clipping.

    For each, a row per seed: the gradient's norm, and the update's norm relative to the parameters'.
    """
    found = {}
    for name, max_norm in (("not clipped", math.inf), (f"clipped to {options.clip:g}", options.clip)):
        rows = []
        for i in range(options.seeds):
            rng = np.random.default_rng(options.seed + i)
            cell = rnn_cell(RNNCell, max(options.gains), options.hidden, rng)
            xs = options.input_scale * rng.normal(size=(options.steps, 1, INPUTS))
            h, target = rng.uniform(-1, 1, size=(2, 1, options.hidden))
            for x in xs:
                h = cell(x, h)
            optimizer = SGD(cell.parameters(), lr=options.lr)
            before = [p.numpy().copy() for p in cell.parameters()]
            mse_loss(h, target).backward()
            norm = clip_grad_norm(cell.parameters(), max_norm)
            optimizer.step()
            update = math.hypot(*(np.linalg.norm(p.numpy() - b) for p, b in zip(cell.parameters(), before)))
            rows.append((norm, update / math.hypot(*map(np.linalg.norm, before))))
        found[name] = np.array(rows)
    return found


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.new_parser(__doc__, "vanishing_gradients.png", "the first seed")
    parser.add_argument("--steps", type=int, default=100, help="time steps, and the largest k")
    parser.add_argument("--hidden", type=int, default=32, help="hidden units")
    parser.add_argument("--gains", nargs="+", type=float, default=[0.5, 0.8, 1.0, 1.2, 1.5],
                        help="of the RNN's orthogonal weight for h")
    parser.add_argument("--forget-biases", nargs="+", type=float, default=[0.0, 1.0, 2.0, 5.0], help="of the LSTM")
    parser.add_argument("--input-scale", type=float, default=0.1, help="standard deviation of the inputs")
    parser.add_argument("--seeds", type=int, default=10, help="networks of each kind, with the seeds SEED, SEED + 1, ...")
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient, for the last part")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate, for the last part")
    options = command_line.parse(parser, argv, above_0="steps hidden seeds clip lr")
    if not 0 <= options.input_scale <= 1000:
        parser.error(f"--input-scale must be within 0 .. 1000, not {options.input_scale}")
    for gain in options.gains:
        # beyond 1e+-150 squares, and so norms, leave the range of float64
        if not (0 < gain < math.inf and abs(math.log10(gain)) * options.steps <= 150):
            parser.error(f"--gains must be above 0, and gain^steps within 1e-150 .. 1e150, not {gain} over {options.steps} steps")
    for bias in options.forget_biases:
        if not (abs(bias) <= 300 and math.log10(1 + math.exp(-bias)) * options.steps <= 150):
            parser.error("--forget-biases must be at most 300, and sigmoid(bias)^steps at least 1e-150, "
                         f"not {bias} over {options.steps} steps")
    options.gains, options.forget_biases = list(dict.fromkeys(options.gains)), list(dict.fromkeys(options.forget_biases))
    return options


def main(argv: list[str] | None = None) -> tuple[dict, dict]:
    """Returns the measured norms and the exact ones, by (kind, gain or forget bias)."""
    options = parse(argv)
    norms, exact = measure(options)
    print(table(norms, exact, options))
    print(f"'linear RNN' and 'cell only' are exact to {RTOL:g} at every k and seed. Without a forget gate (Hochreiter & "
          "Schmidhuber 1997)\nthe cell's factor is 1 at every step, which sigmoid(forget bias) comes near for a large bias.\n")
    print(f"one step of SGD, lr {options.lr:g}, on an RNN with gain {max(options.gains):g} over {options.steps} steps: "
          f"median and largest of {options.seeds} seeds")
    print(f"{'':16}  {'gradient':>18}  {'update / weights':>20}")
    for name, rows in clipping(options).items():
        columns = (f"{np.median(column):9.3g} {column.max():9.3g}" for column in rows.T)
        print(f"{name:16} " + "  ".join(columns))
    print("clip_grad_norm keeps the direction and bounds the length: the update is at most lr times the largest norm\n"
          "(Pascanu et al. 2013).\n")
    plots.write(options.plot, plots.vanishing_gradients, norms, exact)
    return norms, exact


if __name__ == "__main__":
    main()
