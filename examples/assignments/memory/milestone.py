"""Karpathy 2015, a network that writes: your own memory.py reads Python's own library, and writes what it takes for Python."""

import argparse
import importlib
import sys
import textwrap
from pathlib import Path

import numpy as np

memory = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "memory")

HIDDEN, STEPS, B, LENGTH, LR, TEXT = 96, 1500, 32, 25, 0.01, 150_000


def source():
    """Python's own library is on every computer that runs this."""
    folder = Path(argparse.__file__).parent
    text = "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in ("argparse", "optparse", "configparser"))
    return "".join(letter for letter in text if letter == "\n" or " " <= letter <= "~")[:TEXT]


def main():
    text = source()
    alphabet = sorted(set(text))
    letters, K = np.array([alphabet.index(letter) for letter in text]), len(alphabet)
    learnt, new = letters[:-5000], letters[-5000:, None]
    shares = np.bincount(letters, minlength=K) / len(letters)
    order_0 = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    print(f"{len(text)} letters, {K} different ones; order-0 entropy {order_0:.2f} bits\n")
    for steps in (STEPS // 10, STEPS):
        weights = memory.train(learnt, K, HIDDEN, seed=0, steps=steps, B=B, length=LENGTH, lr=LR)
        zeros, ordered = np.zeros((1, HIDDEN)), [weights[name] for name in "WbVd"]
        loss = memory.truncated(new, zeros, zeros, *ordered, LENGTH)["loss"]
        print(f"after {steps} steps: {loss:.2f} bits for a letter of text that it has not read")
        for temperature in (0.2, 0.6, 1.0) if steps == STEPS else (0.6,):
            us = np.random.default_rng(0).uniform(size=400)
            written = memory.sample(alphabet.index("\n"), zeros, zeros, *ordered, temperature, us)
            print(f"\n--- temperature {temperature}")
            print(textwrap.indent("".join(alphabet[k] for k in written), "    "), flush=True)
        print()
    return order_0, loss


if __name__ == "__main__":
    main()
