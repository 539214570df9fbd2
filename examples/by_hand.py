"""A character RNN with gradients written by hand: first checked, then trained with and without a mistake.

    python examples/by_hand.py                      # with the mistake no_carry beside the right one
    python examples/by_hand.py --mistake new_h

The text has lines like c---c: a letter, a few dashes, the same letter again. A network that remembers the letter loses 3 bits a
line, others lose 6 (the red line ends a little below 6, because even untrained weights remember a little).

What to look at: the report, which names the mistake and the line; then the two losses. With a wrong gradient the network still
learns dashes and line ends, and no error is raised. So check gradients. What to try: the other mistakes, or your own.
"""

from __future__ import annotations

import argparse
import command_line
import numpy as np
import plots

from minigrad import gradcheck, with_loss

LETTERS = "abcdefgh"  # one of eight: 3 bits
NAMES = ("Wxh", "Whh", "Why", "bh", "by")
MISTAKES = {
    "no_carry": "what step t+1 gives back to step t is not added",
    "new_h": "h_t stands where h_{t-1} is right",
    "no_slope": "the derivative of tanh is missing in what goes back to the step before",
    "overwritten": "the gradient of Whh is overwritten in each step instead of added up",
}
mistake = ""  # the planted mistake, if any


def start(characters: int, hidden: int, rng: np.random.Generator) -> None:
    """New parameters in global variables, as in the course."""
    global Wxh, Whh, Why, bh, by
    Wxh = rng.normal(size=(hidden, characters)) / np.sqrt(hidden)
    Whh = rng.normal(size=(hidden, hidden)) / np.sqrt(hidden)
    Why = rng.normal(size=(characters, hidden)) / np.sqrt(hidden)
    bh, by = np.zeros((hidden, 1)), np.zeros((characters, 1))


def loss_function(inputs: list[int], targets: list[int], h_before: np.ndarray) -> tuple:
    """The loss of a piece of text, the gradients of all parameters, and the last state."""
    xs, hs, ps, loss = {}, {-1: h_before}, {}, 0.0
    for t in range(len(inputs)):
        xs[t] = np.zeros((Wxh.shape[1], 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        scores = np.exp(Why @ hs[t] + by)
        ps[t] = scores / scores.sum()
        loss = loss - np.log(ps[t][targets[t], 0])

    dWxh, dWhh, dWhy, dbh, dby = (np.zeros_like(w) for w in (Wxh, Whh, Why, bh, by))
    dh_next = np.zeros_like(h_before)
    for t in reversed(range(len(inputs))):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        dh = Why.T @ dy + (0 if mistake == "no_carry" else dh_next)
        dz = dh * (1 - hs[t] ** 2)
        dh_next = Whh.T @ (dh if mistake == "no_slope" else dz)
        if mistake == "overwritten":
            dWhh[:] = 0
        dWhh += dz @ (hs[t] if mistake == "new_h" else hs[t - 1]).T
        dWxh += dz @ xs[t].T
        dWhy += dy @ hs[t].T
        dbh += dz
        dby += dy
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


def adagrad(parameters: list[np.ndarray], gradients: list[np.ndarray], squares: list[np.ndarray]) -> None:
    """One step of training, in place; gradients are clipped to -5 .. 5."""
    for w, gradient, total in zip(parameters, gradients, squares):
        total += np.clip(gradient, -5, 5, out=gradient) ** 2
        w -= 0.1 * gradient / np.sqrt(total + 1e-8)


# -- around the idea: the check, the text, the options --------------------------------------------------------------


def check(rng: np.random.Generator) -> str:
    """The report on a small network: a few characters, and two more time steps than a carry needs."""
    start(characters=5, hidden=4, rng=rng)
    return str(gradcheck(with_loss(loss_function, gradients=NAMES), [0, 3, 1, 4], [3, 1, 4, 2], rng.normal(size=(4, 1))))


def text_to_learn(gap: int, lines: int, rng: np.random.Generator) -> str:
    return "".join(f"{letter}{'-' * gap}{letter}\n" for letter in rng.choice(list(LETTERS), lines))


def train(numbers: np.ndarray, characters: int, hidden: int, steps: int, piece: int, seed: int) -> np.ndarray:
    """Train with Adagrad; returns the loss of each step in bits per character."""
    start(characters, hidden, np.random.default_rng(seed))
    parameters = [Wxh, Whh, Why, bh, by]
    squares, losses, at, h = [np.zeros_like(w) for w in parameters], [], 0, np.zeros((hidden, 1))
    for _ in range(steps):
        if at + piece + 1 > len(numbers):
            at, h = 0, np.zeros((hidden, 1))
        inputs, targets = numbers[at:at + piece].tolist(), numbers[at + 1:at + piece + 1].tolist()
        loss, *gradients, h = loss_function(inputs, targets, h)
        adagrad(parameters, gradients, squares)
        losses.append(loss / piece / np.log(2))
        at += piece
    return np.array(losses)


def averaged(losses: np.ndarray) -> np.ndarray:
    """The mean of the last twentieth of all steps, at each step."""
    n = max(1, len(losses) // 20)
    return np.convolve(losses, np.ones(n) / n, "valid")


def bounds(options: argparse.Namespace) -> tuple[float, float]:
    """Bits per character, if one of the two letters in a line must be guessed, or both."""
    length = options.gap + 3
    return np.log2(len(LETTERS)) / length, 2 * np.log2(len(LETTERS)) / length


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.new_parser(__doc__, "by_hand.png", "of parameters and text")
    parser.add_argument("--mistake", choices=MISTAKES, default="no_carry", help="the one that is planted")
    parser.add_argument("--steps", type=int, default=2000, help="of training")
    parser.add_argument("--hidden", type=int, default=32, help="hidden units")
    parser.add_argument("--gap", type=int, default=3, help="dashes between a letter and its echo")
    return command_line.parse(parser, argv, above_0="steps hidden gap")


def main(argv: list[str] | None = None) -> dict[str, np.ndarray]:
    """Returns the losses of both runs, by the name of the mistake."""
    global mistake
    options, losses = parse(argv), {}
    for mistake in ("", options.mistake):
        print(f"{mistake}: {MISTAKES[mistake]}" if mistake else "the right one")
        print(f"{check(np.random.default_rng(options.seed))}\n")
    text = text_to_learn(options.gap, 2000, np.random.default_rng(options.seed))
    characters, numbers = np.unique(list(text), return_inverse=True)
    for mistake in ("", options.mistake):
        losses[mistake] = train(numbers, len(characters), options.hidden, options.steps, 2 * (options.gap + 3), options.seed)
        print(f"{mistake or 'right'}: {averaged(losses[mistake])[-1]:.2f} bits per character at the end")
    print("at best with memory of the letter: {:.2f}, without: {:.2f}".format(*bounds(options)))
    mistake = ""
    drawn = {"the right gradient": averaged(losses[""]),
             f"the mistake {options.mistake}: {MISTAKES[options.mistake]}": averaged(losses[options.mistake])}
    plots.write(options.plot, plots.by_hand, drawn, options.steps, bounds(options))
    return losses


if __name__ == "__main__":
    main()
