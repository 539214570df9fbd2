"""Which network has a long memory? The plain RNN beside the LSTM and the GRU, on tasks with exact baselines.

    python examples/long_term_dependencies.py                    both tasks, RNN, LSTM and GRU, three seeds each
    python examples/long_term_dependencies.py --task adding --models rnn lstm --lengths 10 100 --steps 3000

adding: a sequence of random numbers in 0 .. 1, two of them marked, one in each half; the answer is the sum of the
    two. Always answering 1 gives a mean squared error of exactly 1/6, the variance of that sum.
first: a sequence of random symbols out of 8; at the end, the answer is the first symbol. Guessing gives a
    cross-entropy of exactly log 8.

What to look at: every network learns the short sequences. At length 50 the RNN's loss stays at or near the dashed
line, the baseline: its gradient vanishes on the way back (see vanishing_gradients.py), so it learns little or
nothing from early inputs. What to try: --forget-bias 0 (a half open forget gate halves the memory at every
step), --lengths 100, --models rnn --steps 10000 (is the RNN only slow?), --lr 0.003, --seed 3 (of the LSTMs
with the seeds 3 to 5, one does not solve the task "first" at length 50 in time).

Training ends when the mean loss of 50 steps is below a twentieth of the baseline, or after --steps. The table's
losses are measured on new sequences, for every seed without exception. A task counts as solved below a tenth
of the baseline.

Sources: S. Hochreiter and J. Schmidhuber, "Long short-term memory" (1997), for the adding problem and for symbols
to keep among distractors; Q. Le et al., "A simple way to initialize recurrent networks of rectified linear units"
(2015), for the form of adding and its baseline. C. Olah, "Understanding LSTM Networks" (2015).
"""

from __future__ import annotations

import argparse
import math
from typing import NamedTuple

import command_line
import numpy as np
import plots
from tqdm import tqdm

from minigrad import no_grad
from minigrad.layers import GRU, LSTM, RNN, Linear, Module, cross_entropy, mse_loss
from minigrad.optim import Adam, clip_grad_norm

MODELS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
SYMBOLS = 8
TEST_SEQUENCES = 1000
SMOOTH = 50  # losses are averaged over so many steps: a single batch is too noisy
SOLVED = 0.1  # share of the baseline, on new sequences
ENOUGH = 0.05  # share of the baseline where training ends: well below SOLVED, so that chance does not decide


def adding(rng: np.random.Generator, length: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (number, marker) as x (length, batch, 2), and the sums of the two marked numbers (batch, 1)."""
    numbers, markers = rng.uniform(size=(length, batch)), np.zeros((length, batch))
    sequence, half = np.arange(batch), length // 2
    markers[rng.integers(half, size=batch), sequence] = 1
    markers[rng.integers(half, length, size=batch), sequence] = 1
    return np.stack([numbers, markers], axis=-1).astype(np.float32), (numbers * markers).sum(axis=0)[:, None].astype(np.float32)


def first(rng: np.random.Generator, length: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """One-hot symbols, with a marker at the first, as x (length, batch, 9), and the first symbols (batch,)."""
    symbols = rng.integers(SYMBOLS, size=(length, batch))
    x = np.zeros((length, batch, SYMBOLS + 1), np.float32)
    x[..., :SYMBOLS] = np.eye(SYMBOLS)[symbols]
    x[0, :, SYMBOLS] = 1
    return x, symbols[0]


class Answer(Module):
    """A recurrent layer reads the sequence; its last output, through a Linear layer, is the answer."""

    def __init__(self, model: str, task: Task, options: argparse.Namespace, rng: np.random.Generator):
        forget_bias = task.forget_bias if options.forget_bias is None else options.forget_bias
        extra = {"forget_bias": forget_bias} if model == "lstm" else {}
        self.recurrent = MODELS[model](task.inputs, options.hidden, rng=rng, dtype=np.float32, **extra)
        self.output = Linear(options.hidden, task.outputs, rng=rng, dtype=np.float32)
        if model == "gru":  # the GRU keeps 1 - z: at first as much as the LSTM's forget gate
            self.recurrent.cells[0].b_z.data[:] = -forget_bias

    def forward(self, x: np.ndarray):
        outputs, _ = self.recurrent(x)
        return self.output(outputs[-1])


def learn_step(network: Answer, optimizer: Adam, task: Task, x: np.ndarray, target: np.ndarray, clip: float) -> float:
    """Learn from one batch; returns its loss before."""
    optimizer.zero_grad()
    loss = task.loss(network(x), target)
    loss.backward()
    clip_grad_norm(network.parameters(), clip)
    optimizer.step()
    return loss.item()


# -- around the idea: the tasks' baselines, when it ends, the table, the options -----------------------------------


class Task(NamedTuple):
    sequences: object  # (rng, length, batch) -> x, target
    inputs: int
    outputs: int
    loss: object
    loss_name: str
    baseline: float  # the least loss of an answer that ignores the sequence
    why: str
    forget_bias: float  # with this one of 3, 4 and 5 most LSTMs solve length 50 in time


TASKS = {
    "adding": Task(adding, 2, 1, mse_loss, "mean squared error", 1 / 6, "1/6, always answering 1", 3.0),
    "first": Task(first, SYMBOLS + 1, SYMBOLS, cross_entropy, "cross-entropy", math.log(SYMBOLS), "log 8, guessing", 5.0),
}


class Run(NamedTuple):
    losses: list[float]  # at every step, until it is solved
    test_loss: float

    def solved(self, task: Task) -> bool:
        return self.test_loss < SOLVED * task.baseline


def learn(model: str, task: Task, length: int, seed: int, options: argparse.Namespace, progress: tqdm) -> Run:
    """Train one network from the start. The sequences depend on the seed, not on the model."""
    network = Answer(model, task, options, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    optimizer = Adam(network.parameters(), lr=options.lr)
    losses: list[float] = []
    while len(losses) < options.steps:
        x, target = task.sequences(rng, length, options.batch)
        losses.append(learn_step(network, optimizer, task, x, target, options.clip))
        progress.update()
        if len(losses) >= SMOOTH and np.mean(losses[-SMOOTH:]) < ENOUGH * task.baseline:
            break
    progress.update(options.steps - len(losses))
    with no_grad():
        x, target = task.sequences(np.random.default_rng([seed, 2]), length, TEST_SEQUENCES)
        return Run(losses, task.loss(network(x), target).item())


def table(name: str, runs: dict, options: argparse.Namespace) -> str:
    """The loss on new sequences, median and range over the seeds, beside the baseline."""
    task = TASKS[name]
    lines = [f"{name}: {task.loss_name} on new sequences; baseline {task.baseline:.4f} ({task.why})",
             f"{'length':>6}  model  {'median':>7}  {'lowest .. highest':>18}  {'/ baseline':>10}  {'solved':>8}  steps"]
    for length in options.lengths:
        for model in options.models:
            of_seeds = runs[name, length, model]
            losses = [run.test_loss for run in of_seeds]
            steps = sorted(len(run.losses) for run in of_seeds if run.solved(task))
            lines.append(f"{length:6}  {model.upper():5}  {np.median(losses):7.4f}  {min(losses):7.4f} .. {max(losses):7.4f}  "
                         f"{np.median(losses) / task.baseline:10.2f}  {len(steps):2} of {len(of_seeds):2}"
                         f"  {', '.join(map(str, steps)) or '-'}")
    return "\n".join(lines)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.new_parser(__doc__, "long_term_dependencies.png", "the first seed")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS), help="what to learn")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="the recurrent layers")
    parser.add_argument("--lengths", nargs="+", type=int, default=[10, 25, 50], help="of the sequences")
    parser.add_argument("--steps", type=int, default=1500, help="how long to learn at most")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each kind, with the seeds SEED, SEED + 1, ...")
    parser.add_argument("--hidden", type=int, default=32, help="hidden units")
    parser.add_argument("--batch", type=int, default=32, help="sequences that are learnt from at once")
    parser.add_argument("--lr", type=float, default=0.01, help="Adam's learning rate")
    parser.add_argument("--forget-bias", type=float, help="first value of the LSTM's b_f and of the GRU's -b_z; None: "
                        + ", ".join(f"{task.forget_bias:g} for {name}" for name, task in TASKS.items()))
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    options = command_line.parse(parser, argv, above_0="steps seeds hidden batch lr clip")
    if min(options.lengths) < 2:
        parser.error(f"--lengths must be 2 or more, not {min(options.lengths)}")
    if options.forget_bias is not None and not math.isfinite(options.forget_bias):
        parser.error(f"--forget-bias must be a number, not {options.forget_bias}")
    for name in ("task", "models", "lengths"):  # ignore repetitions
        setattr(options, name, list(dict.fromkeys(getattr(options, name))))
    return options


def main(argv: list[str] | None = None) -> dict[tuple[str, int, str], list[Run]]:
    """Returns, for each (task, length, model), one Run a seed."""
    options = parse(argv)
    todo = [(name, length, model) for name in options.task for length in options.lengths for model in options.models]
    runs = {}
    with tqdm(total=len(todo) * options.seeds * options.steps, unit="step") as progress:
        for name, length, model in todo:
            progress.set_description(f"{name}, length {length}, {model.upper()}")
            runs[name, length, model] = [learn(model, TASKS[name], length, options.seed + i, options, progress)
                                         for i in range(options.seeds)]
    for name in options.task:
        print("\n" + table(name, runs, options))
    print()
    plots.write(options.plot, plots.long_term_dependencies, runs, TASKS, SMOOTH, SOLVED)
    return runs


if __name__ == "__main__":
    main()
