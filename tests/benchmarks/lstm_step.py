"""How long does a training step of a character LSTM take, here and in other frameworks?

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -e ".[examples]" "torch==2.13.0" autograd mygrad
    .venv-peers/bin/python tests/benchmarks/lstm_step.py            the table, a few minutes
    .venv-peers/bin/python tests/benchmarks/lstm_step.py --only minigrad "by hand" --rows 1 2

One thread; each contestant in its own process; they take turns, so that a noisy machine disturbs all alike; medians. What is
not installed is left out. The losses of the first steps are compared: all train the same network. Run by hand, not by pytest.
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
TARGETS = {1: ("torch composed", 1.0), 2: ("by hand", 1.15), 3: ("by hand", 1.15), 4: ("torch composed", 1.0)}
NEEDS = {"torch composed": "torch", "torch nn.LSTM": "torch", "HIPS autograd": "autograd", "MyGrad": "mygrad"}
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
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        print(json.dumps(times), flush=True)


def measure(names: list[str], shape: tuple[int, int, int], rounds: int, seconds: float) -> dict[str, float]:
    """The median milliseconds of a step for each contestant."""
    runners = {name: Runner(name, *shape) for name in names}
    reference = next(iter(runners.values())).losses
    for name, runner in runners.items():
        if name != "matmuls" and any(abs(a - b) > 1e-3 for a, b in zip(runner.losses, reference)):
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
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, help="contestants, by default all that are installed")
    parser.add_argument("--rounds", type=int, default=8, help="turns that each contestant has (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a turn lasts (default %(default)s)")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        work(options.worker[0], *map(int, options.worker[1:]))
        return
    names = options.only or [name for name in CONTESTANTS if name not in NEEDS or find_spec(NEEDS[name])]
    print(f"ms per step; {sys.version.split()[0]}, one thread, medians over {options.rounds} turns of {options.seconds:g} s\n")
    print(f"{'T, B, H':<14}" + "".join(f"{name:>16}" for name in names))
    for row in options.rows:
        found = measure([n for n in names if not (n == "MyGrad" and row == 3)], ROWS[row], options.rounds, options.seconds)
        print(f"{', '.join(map(str, ROWS[row])):<14}" + "".join(
            f"{found[name]:>16.2f}" if name in found else f"{'-':>16}" for name in names), flush=True)
        if "minigrad" in found:
            print(f"{'  ratio':<14}" + "".join(
                f"{found['minigrad'] / found[name]:>16.2f}" if name in found else f"{'-':>16}" for name in names))
            peer, most = TARGETS[row]
            if peer in found:
                ratio = found["minigrad"] / found[peer]
                print(f"  target: {most:.2f} x {peer}: {'met' if ratio <= most else 'MISSED'}, {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
