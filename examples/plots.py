"""The plots: each function draws the measurements of one program on an empty matplotlib figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, draw: Callable, *measured: Any) -> None:
    """Write the picture that draw(figure, *measured) makes; only if matplotlib is installed."""
    try:
        from matplotlib import figure
    except ImportError:
        print("no plot: matplotlib is not installed (pip install matplotlib)")
        return
    picture = figure.Figure(layout="constrained")
    draw(picture, *measured)
    picture.savefig(path, dpi=120)
    print(f"plot: {path}")


def addition(figure, runs: dict, title: str, published: float) -> None:
    """Accuracies over the epochs, one line a seed."""
    figure.set_size_inches(11, 4.5)
    panels = figure.subplots(1, 2)
    for axes in panels:
        axes.axhline(100 * published, color="black", linestyle="--", linewidth=1,
                     label=f"Keras's example: {published:.0%} of characters".replace("%", " %"))
        for n, measured in enumerate(runs.values()):
            epochs = [m.epoch for m in measured]
            for group, colour, label in (("learnt", "C0", "learnt from"), ("unseen_either_way", "C1", "unseen either way")):
                values = 100 * np.array([getattr(m, group) for m in measured])
                marker = "." if len(epochs) < 5 else None
                for column, style, what in ((0, "-", "characters"), (1, ":", "whole answers")):
                    axes.plot(epochs, values[:, column], color=colour, linestyle=style, linewidth=1.5, marker=marker,
                              label=None if n else f"{label}, {what}")
        axes.set(xlabel="epoch", ylabel="right, in %")
    panels[0].set(ylim=(0, 102), title=title)
    panels[1].set(ylim=(90, 100.3), title="the same from 90 % up")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False,
                  title="one line a seed" if len(runs) > 1 else None)


def by_hand(figure, losses: dict[str, np.ndarray], steps: int, bounds: tuple[float, float]) -> None:
    """Losses over the steps, with labels; and the least possible loss with memory, and without."""
    figure.set_size_inches(8, 4.5)
    axes = figure.subplots()
    for (what, values), colour in zip(losses.items(), ("C0", "C3")):
        axes.plot(np.arange(steps - len(values), steps), values, linewidth=2, color=colour, label=what)
    for bits, what, offset in zip(bounds, ("with", "without"), (-14, 6)):
        axes.axhline(bits, color="black", linestyle="--", linewidth=1)
        axes.annotate(f"at best {what} memory of the letter: {bits:.2f}", (1, bits), xycoords=("axes fraction", "data"),
                      xytext=(-6, offset), textcoords="offset points", ha="right")
    axes.set(xlabel="step of training", ylabel="loss, bits per character", ylim=(0, None),
             title="No error, and the loss falls: only the check says that the gradient is wrong")
    figure.legend(loc="outside lower center", frameon=False)


def char_lstm(figure, losses: list[float], held_out: list[tuple[int, float]], entropies: list[float], network: str) -> None:
    """The loss over the steps beside the entropies."""
    figure.set_size_inches(8, 5)
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, color="C0", alpha=0.35, linewidth=0.8, label="training, each step")
    steps, bits = zip(*held_out)
    axes.plot(steps, bits, color="C0", linewidth=2, marker="o", markersize=3, label="held-out text")
    for order, value in enumerate(entropies):
        axes.axhline(value, color=f"C{order + 1}", linestyle="--", linewidth=1)
        axes.text(len(losses), value, f"order-{order} entropy {value:.2f}", color=f"C{order + 1}", ha="right", va="bottom")
    axes.set(xlabel="step", ylabel="bits per character", ylim=(0, max(losses) * 1.05),
             title=f"{network}: {bits[-1]:.2f} bits per character on held-out text")
    axes.legend(loc="lower left")


def gates(figure, maps: dict[str, np.ndarray], characters: list[str], units: list[str], title: str) -> None:
    """Heat maps over the characters of a passage, a row for each unit: gates within 0 .. 1, and the memory cell at last."""
    figure.set_size_inches(5 + 0.19 * len(characters), 2 + 4 * (0.45 + 0.2 * len(units)))
    rows, images, deviations = figure.subplots(4, 1), [], 2.5  # standard deviations at both ends of the colours
    for (name, values), axes in zip(maps.items(), rows):
        scale = ({"cmap": "RdBu_r", "vmin": -deviations, "vmax": deviations} if axes is rows[3] else
                 {"cmap": "viridis", "vmin": 0, "vmax": 1})
        images.append(axes.imshow(values.T, aspect="auto", interpolation="nearest", **scale))
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks(range(len(characters)), characters, family="DejaVu Sans Mono", fontsize=10)
        axes.set_yticks(range(len(units)), units, fontsize=9)
        axes.tick_params(length=0)
        axes.set_xticks(np.arange(len(characters) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(units) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=0.4)
        axes.tick_params(which="minor", length=0)
    figure.colorbar(images[0], ax=rows[:3], label="gate: 0 shut, 1 open", pad=0.01, aspect=30)
    figure.colorbar(images[3], ax=rows[3], label="standard deviations", pad=0.01, aspect=10, extend="both")
    figure.suptitle(title)


def long_term_dependencies(figure, runs: dict, tasks: dict, window: int, solved: float) -> None:
    """The mean loss of `window` steps over the steps, a panel for each task and length, one line a seed. Below `solved` times the
    baseline a task is solved."""
    names, lengths, models = (list(dict.fromkeys(part)) for part in zip(*runs))
    figure.set_size_inches(3.4 * len(lengths) + 1, 3.3 * len(names))
    grid = figure.subplots(len(names), len(lengths), squeeze=False, sharex=True, sharey="row")
    colours = {model: f"C{i}" for i, model in enumerate(("rnn", "lstm", "gru"))}
    for name, row in zip(names, grid):
        for length, axes in zip(lengths, row):
            axes.axhline(1, color="black", linestyle="--", linewidth=1)
            for model in models:
                for i, run in enumerate(runs[name, length, model]):
                    n = min(window, len(run.losses))
                    losses = np.convolve(run.losses, np.full(n, 1 / n), mode="valid") / tasks[name].baseline
                    steps = np.arange(n, len(run.losses) + 1)
                    axes.plot(steps, losses, color=colours[model], linewidth=1, label=None if i else model.upper())
                    if run.solved(tasks[name]):
                        axes.plot(steps[-1], losses[-1], color=colours[model], marker="o", markersize=4)
            axes.set(title=f"{name}, length {length}", yscale="log", ylim=(solved / 4, 3))
            axes.text(0.98, 1.5, tasks[name].why, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize="small")
        row[0].set_ylabel(f"{tasks[name].loss_name} / baseline")
    for axes in grid[-1]:
        axes.set_xlabel("step")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
                  title=f"one line a seed, mean of {window} steps\na dot: solved, below {solved:g} times the baseline")


def own_operation(figure, slow_gate: Callable, sigmoid: Callable, derivatives: Callable, losses: dict[str, list[float]],
                  bias: float) -> None:
    """The gate, its derivatives beside the exact ones, and what layers of gates learn."""
    figure.set_size_inches(14, 4.5)
    left, middle, right = figure.subplots(1, 3)
    fine, coarse = np.linspace(-5, 5, 401), np.linspace(-5, 5, 41)
    first, second = derivatives(coarse)
    left.plot(fine, slow_gate(fine), label="slow_gate")
    left.plot(fine, sigmoid(fine), color="gray", linestyle="--", label="sigmoid")
    left.set(title="the gate", xlabel="x")
    middle.plot(fine, (1 + fine ** 2) ** -1.5 / 2, color="C1", label=r"exact, $(1+x^2)^{-3/2}/2$")
    middle.plot(coarse, first, "C1o", markersize=4, label="grad")
    middle.plot(fine, -1.5 * fine * (1 + fine ** 2) ** -2.5, color="C2", label=r"exact, $-3x\,(1+x^2)^{-5/2}/2$")
    middle.plot(coarse, second, "C2o", markersize=4, label="grad of grad")
    middle.set(title="its first and second derivative", xlabel="x")
    for name, values in losses.items():
        right.plot(values, label=name, color="gray" if name == "sigmoid" else "C0",
                   linestyle="--" if name == "sigmoid" else "-")
    right.set(title=f"gates that start at a bias of {bias:g}, SGD", xlabel="step", ylabel="mean squared error", ylim=(0, None))
    for axes in (left, middle, right):
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)


def vanishing_gradients(figure, norms: dict, exact: dict) -> None:
    """Norms over k, the steps back: RNN and LSTM side by side, median and range over the seeds. Dots are exact: they stay visible
    on a line that they agree with."""
    figure.set_size_inches(12, 5.5)
    sides = figure.subplots(1, 2, sharey=True)
    seeds, k = len(next(iter(norms.values()))), np.arange(len(next(iter(exact.values()))))
    dots = {"linestyle": "--", "linewidth": 1, "marker": "o", "markersize": 5, "markeredgecolor": "black", "zorder": 3}
    for axes, kind, reference, parameter, formula in (
            (sides[0], "RNN", "linear RNN", "gain", "linear RNN: gain$^k$"),
            (sides[1], "LSTM", "cell only", "forget bias", "cell only: sigmoid(forget bias)$^k$")):
        for i, value in enumerate([value for other, value in norms if other == kind]):
            _median_and_range(axes, k, norms[kind, value], f"C{i}", f"{parameter} {value:g}")
            axes.plot(k, exact[reference, value], color=f"C{i}", markevery=(i, math.ceil(len(k) / 12)), **dots)
        axes.plot([], [], color="white", **dots, label=f"exact, {formula}")
        axes.set(yscale="log", xlabel="k, steps back", title=f"{kind}: median and range of {seeds} seeds")
        axes.grid(alpha=0.3)
    _median_and_range(sides[0], k, norms["ReLU RNN", 1.0], "black", "ReLU, starts at the identity")
    for axes in sides:
        axes.legend(loc="upper left", fontsize="small")
    sides[0].set_ylabel("norm of the gradient, relative to k = 0")
    smallest, largest = (f([f(values) for values in norms.values()]) for f in (np.min, np.max))
    # rounding already hides 1e-16 of a gradient
    sides[0].set_ylim(max(1e-20, smallest / 10), 10 * largest)


def _median_and_range(axes, k: np.ndarray, rows: np.ndarray, colour: str, label: str) -> None:
    axes.fill_between(k, rows.min(axis=0), rows.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.plot(k, np.median(rows, axis=0), color=colour, linewidth=2, label=label)
