"""Measures how the cost of a training step grows, the cost of an operation, a step's memory, and the time of a gradient check.

    .venv-peers/bin/python tests/benchmarks/scaling.py        (lstm_step.py says how to make the environment)

Prints tables and writes scaling.png: time per step over the time steps T (10 to 10,000), the batch B and the hidden units H,
beside the same network in PyTorch if it is installed. One thread. Memory is the growth of the process's largest resident
size in a training step, per time step, each measured in its own process; beside it stands the memory that the formulas
need. Run by hand, not by pytest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from contestants import CONTESTANTS, arrays
from lstm_step import ONE_THREAD, ROWS

from minigrad import Tensor, gradcheck, matmul, ops
from minigrad.layers import LSTM

SCALES = {"T": [(T, 8, 64) for T in (10, 30, 100, 300, 1000, 3000, 10_000)],
          "B": [(25, B, 64) for B in (1, 4, 16, 64, 256)],
          "H": [(25, 16, H) for H in (16, 32, 64, 128, 256, 512)]}
PEERS = ["minigrad", "by hand", "torch composed", "torch nn.LSTM"]


def in_a_process(*arguments: object) -> float:
    """One number from this program, run with --worker."""
    result = subprocess.run([sys.executable, __file__, "--worker", *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                            env={**os.environ, **ONE_THREAD}, check=True)
    return json.loads(result.stdout)


def work(what: str, name: str, T: int, B: int, H: int) -> float:
    step = CONTESTANTS[name](**arrays(T, B, H))
    if what == "time":
        step()
        times, end = [], time.perf_counter() + 1
        while len(times) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return median(times)
    CONTESTANTS[name](**arrays(2, B, H))()  # what is loaded and allocated once does not count
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / T


def needed_per_time_step(B: int, H: int) -> int:
    """What a step's formulas name: the four gates' values, C, tanh(C) and h, in float32."""
    return 4 * B * (4 * H + 3 * H)


def operations() -> None:
    """Microseconds for an operation on 100 numbers: NumPy alone, forward, and backward."""
    x, W = (Tensor(np.full(shape, 0.01, np.float32), requires_grad=True) for shape in ((1, 100), (100, 100)))
    raw_x, raw_W = x.numpy(), W.numpy()
    cases = {"add": (lambda y: y + x, lambda: raw_x + raw_x), "mul": (lambda y: y * x, lambda: raw_x * raw_x),
             "tanh": (ops.tanh, lambda: np.tanh(raw_x)), "sigmoid": (ops.sigmoid, lambda: ops.sigmoid(raw_x)),
             "matmul": (lambda y: matmul(y, W), lambda: raw_x @ raw_W)}
    print(f"\n{'operation':<12}{'alone':>10}{'forward':>10}{'backward':>10}   us")
    for name, (f, alone) in cases.items():
        times: dict[str, list[float]] = {"alone": [], "forward": [], "backward": []}
        for _ in range(30):
            start = time.perf_counter()
            for _ in range(200):
                alone()
            middle, y = time.perf_counter(), x
            for _ in range(200):
                y = f(y)
            end = time.perf_counter()
            y.backward(np.ones(y.shape, np.float32))
            times["backward"].append(time.perf_counter() - end)
            times["forward"].append(end - middle)
            times["alone"].append(middle - start)
            x.grad = W.grad = None
        print(f"{name:<12}" + "".join(f"{median(values) / 200 * 1e6:>10.2f}" for values in times.values()))


def in_turns(contestants: dict[str, Callable[[], object]], rounds: int, repeat: int = 1) -> str:
    """The median seconds of process time of each, and by how much the first takes longer."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.process_time()
            for _ in range(repeat):
                run()
            times[name].append((time.process_time() - start) / repeat)
    found = {name: median(values) for name, values in times.items()}
    ours = next(iter(found.values()))
    return ", ".join(f"{name} {seconds:.3g} s ({ours / seconds:.2f})" for name, seconds in found.items())


def one_add() -> None:
    x, g = np.full((1, 100), 0.01, np.float32), np.ones((1, 100), np.float32)
    a, b = (Tensor(x, requires_grad=True) for _ in range(2))
    contestants: dict[str, Callable[[], object]] = {"minigrad": lambda: (a + b).backward(g)}
    if find_spec("torch"):
        import torch

        p, q = (torch.tensor(x, requires_grad=True) for _ in range(2))
        contestants["torch"] = lambda: (p + q).backward(torch.from_numpy(g))
    print("\none add, forward and backward:", in_turns(contestants, 30, 300))


def check_of_a_layer() -> None:
    """gradcheck of one layer, and torch's of nn.LSTM, which has the same sizes."""
    rng = np.random.default_rng(0)
    lstm, x = LSTM(8, 16, rng=rng), rng.normal(size=(10, 4, 8))
    state = tuple(rng.normal(size=(1, 4, 16)) for _ in range(2))
    contestants: dict[str, Callable[[], object]] = {"minigrad": lambda: gradcheck(lstm, x, state)}
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        layer = torch.nn.LSTM(8, 16).double()
        inputs = [torch.tensor(a, requires_grad=True) for a in (x, *state)]
        names, parameters = zip(*((name, p.detach().requires_grad_()) for name, p in layer.named_parameters()))

        def f(x, h, c, *parameters):
            outputs, (h, c) = torch.func.functional_call(layer, dict(zip(names, parameters)), (x, (h, c)))
            return outputs, h, c

        contestants["torch.autograd.gradcheck"] = lambda: torch.autograd.gradcheck(f, (*inputs, *parameters))
    report = gradcheck(lstm, x, state)
    print(f"gradcheck of LSTM(8, 16), T 10, B 4: {report.verdict}, {sum(row.checked for row in report.rows)} entries;",
          in_turns(contestants, 3))


def memory(names: list[str]) -> None:
    print(f"{'KB per time step':<20}" + "".join(f"{name:>16}" for name in [*names, "needed"]))
    for T, B, H in (ROWS[2], ROWS[3], ROWS[4]):
        found = [in_a_process("memory", name, T, B, H) for name in names] + [needed_per_time_step(B, H)]
        print(f"{f'{T}, {B}, {H}':<20}" + "".join(f"{value / 1024:>16.1f}" for value in found), flush=True)


def scaling(names: list[str], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained", sharey=True)
    for panel, (letter, shapes) in zip(axes, SCALES.items()):
        print(f"\n{'ms per step':<20}" + "".join(f"{name:>16}" for name in names))
        curves: dict[str, list[float]] = {name: [] for name in names}
        for shape in shapes:
            for name in names:
                curves[name].append(in_a_process("time", name, *shape) * 1e3)
            print(f"{', '.join(map(str, shape)):<20}" + "".join(f"{curves[name][-1]:>16.2f}" for name in names), flush=True)
        values = [shape["TBH".index(letter)] for shape in shapes]
        for name, curve in curves.items():
            panel.loglog(values, curve, marker="o", markersize=3, label=name, linewidth=2.5 if name == "minigrad" else 1)
        fixed = ", ".join(f"{other} = {shapes[0][i]}" for i, other in enumerate("TBH") if other != letter)
        panel.set(xlabel=f"{letter}   ({fixed})", title={"T": "time steps", "B": "batch", "H": "hidden units"}[letter])
        panel.set_xticks(values, map(str, values))
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("ms per training step")
    axes[0].legend()
    figure.savefig(path, dpi=110)
    print(f"\nplot: {path}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plot", type=Path, default="scaling.png", help="where to plot (default %(default)s)")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        what, name, *shape = options.worker
        print(json.dumps(work(what, name, *map(int, shape))))
        return
    names = [name for name in PEERS if not name.startswith("torch") or find_spec("torch")]
    memory(names)  # first: what this process has loaded would count in the others, too
    operations()
    one_add()
    check_of_a_layer()
    scaling(names, options.plot)


if __name__ == "__main__":
    main()
