"""Measures a training step of a character LSTM, here and in other frameworks; also of a GRU, an RNN, and an ordinary loop
over LSTMCell.

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -e ".[examples]" "torch==2.13.0" autograd mygrad
    .venv-peers/bin/python tests/benchmarks/lstm_step.py            the table, a few minutes
    .venv-peers/bin/python tests/benchmarks/lstm_step.py --only minigrad "by hand" --rows 1 2

Each contestant has one thread and its own process. They take turns, so that a noisy machine disturbs all equally. The times
are medians of CPU time. Missing frameworks are left out. The losses of the first steps are compared: all train the same
network, except for the GRU, which PyTorch defines otherwise. Run by hand, not by pytest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from statistics import median

from contestants import CONTESTANTS, arrays

ROWS = {1: (25, 1, 100), 2: (64, 32, 128), 3: (64, 64, 512), 4: (1000, 8, 64)}
OTHERS = [["minigrad GRU", "torch nn.GRU"], ["minigrad RNN", "torch nn.RNN"], ["minigrad loop", "torch loop", "torch composed"]]
TABLES = [[name for name in CONTESTANTS if not any(name in table[:2] for table in OTHERS)], *OTHERS]  # ours first
TARGETS = {("minigrad", "by hand"): {1: 1.6, 2: 1.0, 3: 1.05, 4: 1.0}, ("minigrad", "torch composed"): {1: 0.5, 4: 0.5},
           ("minigrad", "torch nn.LSTM"): dict.fromkeys(ROWS, 1.7), ("minigrad GRU", "torch nn.GRU"): dict.fromkeys(ROWS, 1.0),
           ("minigrad RNN", "torch nn.RNN"): dict.fromkeys(ROWS, 1.0),
           ("minigrad loop", "torch composed"): dict.fromkeys(ROWS, 1.1)}
NEEDS = {name: "torch" for name in CONTESTANTS if "torch" in name} | {"HIPS autograd": "autograd", "MyGrad": "mygrad"}
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
LOSSES = 3  # of the first steps, to compare


class Runner:
    """A contestant in a process of its own, which makes a few steps whenever it is asked."""

    def __init__(self, name: str, T: int, B: int, H: int) -> None:
        self.process = subprocess.Popen([sys.executable, __file__, "--worker", name, str(T), str(B), str(H)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
        self.losses = self._answer()

    def milliseconds(self, seconds: float) -> list[float]:
        """Of each step in about so many seconds."""
        print(seconds, file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self):
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def work(name: str, T: int, B: int, H: int) -> None:
    step = CONTESTANTS[name](**arrays(T, B, H))
    print(json.dumps([step() for _ in range(LOSSES)]), flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while not times or time.perf_counter() < end:
            start = time.process_time()
            step()
            times.append((time.process_time() - start) * 1e3)
        print(json.dumps(times), flush=True)


def measure(names: list[str], shape: tuple[int, int, int], rounds: int, seconds: float) -> dict[str, float]:
    """The median milliseconds of a step for each contestant."""
    runners = {name: Runner(name, *shape) for name in names}
    reference = next(iter(runners.values())).losses
    for name, runner in runners.items():
        if name not in ("matmuls", "torch nn.GRU") and any(abs(a - b) > 1e-3 for a, b in zip(runner.losses, reference)):
            raise SystemExit(f"{name} trains another network: losses {runner.losses}, expected {reference}")
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, runner in runners.items():
            times[name] += runner.milliseconds(seconds)
    for runner in runners.values():
        runner.stop()
    return {name: median(values) for name, values in times.items()}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", choices=ROWS, default=list(ROWS), help="of the table")
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS,
                        help="contestants, by default all that are installed; a table needs ours")
    parser.add_argument("--rounds", type=int, default=8, help="turns that each contestant has (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a turn lasts (default %(default)s)")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        work(options.worker[0], *map(int, options.worker[1:]))
        return
    names = options.only or [name for name in CONTESTANTS if name not in NEEDS or find_spec(NEEDS[name])]
    print(f"ms per step; {sys.version.split()[0]}, one thread, medians over {options.rounds} turns of {options.seconds:g} s")
    for table in TABLES:
        columns = [name for name in table if name in names and table[0] in names]
        if columns:
            print(f"\n{'T, B, H':<14}" + "".join(f"{name:>16}" for name in columns))
        for row in options.rows if columns else ():
            found = measure([n for n in columns if not (n == "MyGrad" and row == 3)], ROWS[row], options.rounds, options.seconds)
            ours = found[columns[0]]
            ratios = {name: ours / milliseconds for name, milliseconds in found.items()}
            for title, values in ((", ".join(map(str, ROWS[row])), found), ("  ratio", ratios)):
                print(f"{title:<14}" + "".join(f"{values[n]:>16.2f}" if n in values else f"{'-':>16}" for n in columns))
            targets = {n: TARGETS.get((columns[0], n), {}) for n in columns}
            for peer, most in ((n, targets[n][row]) for n in columns if row in targets[n]):
                print(f"  target: {most:.2f} x {peer}: {'met' if ratios[peer] <= most else 'MISSED'}, {ratios[peer]:.2f}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
