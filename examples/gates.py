"""Shows the gates of an LSTM and its memory cell, character by character, as heat maps over the text.

    python examples/gates.py                                trains a small LSTM on "Alice" and looks inside
    python examples/gates.py --checkpoint char_lstm.npz     looks inside the network of examples/char_lstm.py
    python examples/gates.py --start 5000                   at another place of the text

The equations, gate by gate, are those of LSTMCell.forward (layers/lstm.py): the forget gate f is the share of the
memory C that stays, the input gate i the share of the new values that comes in, the output gate o the share that the
rest of the network sees. The program first checks that the LSTM layer computes the same.

Which units? Nobody can look at all of them, and if you pick the prettiest, you deceive yourself. So the program
correlates each unit's C with simple properties of the text, over all held-out text. For each property it shows the unit
with the largest correlation; then the units whose tanh(C) varies most. Two numbers stand beside every correlation.
One is the largest correlation among the same units before learning (even an LSTM with random weights knows what it has
just read). The other is the largest among all units with the text shifted against the cells: the best of so many
units reaches that by chance.

What to look at: if a property needs only the last one or two characters (a vowel, in a word), the unit's f flickers:
C is written anew all the time. If a property reaches far back (a quotation, a sentence), f is near 1 nearly everywhere:
the unit keeps its C. Where f is dark it forgets; the unit for quotations does so at the mark that ends one. "learnt?"
in the table says no if random weights or chance do as well: then do not believe that row. And a correlation is not the
meaning of a unit: the unit for quotations may only forget at capital letters, because quotations have many.
What to try: --steps 0 (the plot of the untrained network), --steps 5000, --hidden 64, --units 12.

Sources: A. Karpathy, J. Johnson and L. Fei-Fei, "Visualizing and understanding recurrent networks" (2015), for cells
that follow quotes and line ends and for counting saturated gates; C. Olah, "Understanding LSTM Networks" (2015).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import char_lstm
import checkpoint
import command_line
import numpy as np
import plots
from char_lstm import HELD_OUT_STREAMS, CharacterModel, Training, held_out_bits, read_text, streams
from tqdm import tqdm

from minigrad import Tensor, concat, no_grad, sigmoid, tanh
from minigrad.layers import LSTMCell

SHIFTS = 20  # shifts of the text against the cells, to measure chance
VOWELS = "aeiouAEIOU"
SHOWN_AS = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5"}  # characters that are invisible on an axis


class Gates(NamedTuple):
    """Values for every character and every unit (time, H)."""
    f: np.ndarray
    i: np.ndarray
    o: np.ndarray
    C: np.ndarray
    h: np.ndarray


@no_grad()
def gates(cell: LSTMCell, xs: np.ndarray) -> Gates:
    """The equations of LSTMCell.forward over xs (time, streams, D), from a state of zeros, with all gates kept."""
    h = C = Tensor(np.zeros((xs.shape[1], cell.hidden_size), xs.dtype))
    steps = []
    for x in xs:
        h_x = concat(h, x, axis=-1)
        f = sigmoid(h_x @ cell.W_f + cell.b_f)
        i = sigmoid(h_x @ cell.W_i + cell.b_i)
        c_tilde = tanh(h_x @ cell.W_c + cell.b_c)
        C = f * C + i * c_tilde
        o = sigmoid(h_x @ cell.W_o + cell.b_o)
        h = o * tanh(C)
        steps.append([values.numpy() for values in (f, i, o, C, h)])
    # one stream after the other again, as the text has them
    return Gates(*(np.stack(values, axis=1).reshape(-1, cell.hidden_size) for values in zip(*steps)))


@no_grad()
def difference_to_layer(model: CharacterModel, found: Gates, columns: np.ndarray) -> tuple[float, float]:
    """The largest difference between h from these gates and the LSTM layer's outputs; and the bound for rounding.

    The layer adds the products W [h, x] in another order: n float32 numbers near 1 then differ by some n eps.
    """
    outputs, _ = model.recurrent(model.one_hot[columns])
    n = sum(model.recurrent.cells[0].W_f.shape)
    h = outputs.swapaxes(0, 1).numpy().reshape(found.h.shape)
    return np.abs(h - found.h).max().item(), n * np.finfo(np.float32).eps.item()


# -- around the idea: properties of the text, the choice of units, the table, the options ---------------------------


def since(text: str, ends: str) -> np.ndarray:
    """Characters since the last one of `ends` (0 at that character); before the first, since the text's beginning.
    Zeros if the text has none."""
    if not set(ends) & set(text):
        return np.zeros(len(text))
    places = np.arange(len(text))
    last = np.maximum.accumulate(np.where([character in ends for character in text], places, 0))
    return places - last


def in_word(text: str) -> np.ndarray:
    return np.array([character.isalpha() for character in text], float)


def place_in_word(text: str) -> np.ndarray:
    return since(text, "".join({character for character in text if not character.isalpha()}))


def in_quotation(text: str) -> np.ndarray:
    """1 from ` to ', the quotation marks in Alice; a ' between letters is an apostrophe. In a text without `, from " to "."""
    opens, closes = ("`", "'") if "`" in text else ('"', '"')
    inside, values = False, []
    for i, character in enumerate(text):
        if not inside:
            inside = character == opens
        elif character == closes and not (closes == "'" and text[i - 1:i + 2:2].isalpha()):
            inside = False
        values.append(inside)
    return np.array(values, float)


PROPERTIES = {
    "in a word": in_word,
    "letters since the word began": place_in_word,
    "characters since the line began": lambda text: since(text, "\n"),
    "characters since . ! or ?": lambda text: since(text, ".!?"),
    "in a quotation": in_quotation,
    "a vowel": lambda text: np.array([character in VOWELS for character in text], float),
    "a capital letter": lambda text: np.array([character.isupper() for character in text], float),
}


def correlations(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Pearson's correlation of values (time,) with each column of cells (time, H); 0 for a constant column."""
    v, c = values - values.mean(), cells - cells.mean(axis=0)
    norms = np.linalg.norm(v) * np.linalg.norm(c, axis=0)
    return np.divide(v @ c, norms, out=np.zeros(cells.shape[1]), where=norms > 0)


class Unit(NamedTuple):
    """A unit to show, and why. The correlations are between its C and the property; nan if its tanh(C) varies most."""
    number: int
    why: str
    r: float = np.nan
    untrained: float = np.nan  # the largest |r| of all units before learning
    chance: float = np.nan  # the largest |r| of all units with the text shifted

    def learnt(self) -> bool:
        """Is the correlation above random weights and chance?"""
        return abs(self.r) > max(self.untrained, self.chance)


def choose(text: str, trained: Gates, untrained: Gates, count: int, rng: np.random.Generator) -> list[Unit]:
    """For each property that varies in the text the best free unit; then the units whose tanh(C) varies most."""
    cells, before = trained.C.astype(float), untrained.C.astype(float)
    shifts = rng.integers(len(text) // 10, len(text) - len(text) // 10, SHIFTS)
    candidates = []
    for why, of in PROPERTIES.items():
        values = of(text).astype(float)
        if np.ptp(values) > 0:
            candidates.append((why, correlations(values, cells), np.abs(correlations(values, before)).max().item(),
                               max(np.abs(correlations(np.roll(values, shift), cells)).max().item() for shift in shifts)))
    # two properties may want the same unit: the property that gained most by learning chooses first
    candidates.sort(key=lambda candidate: candidate[2] - np.abs(candidate[1]).max())
    units: list[Unit] = []
    for why, r, untrained_r, chance in candidates:
        free = [n for n in np.argsort(-np.abs(r), kind="stable").tolist() if n not in [unit.number for unit in units]]
        if free:
            units.append(Unit(free[0], why, r[free[0]].item(), untrained_r, chance))
    for n in np.argsort(-np.tanh(cells).std(axis=0), kind="stable").tolist():
        if n not in [unit.number for unit in units]:
            units.append(Unit(n, "tanh(C) varies much"))
    return units[:count]


def table(units: list[Unit], trained: Gates) -> str:
    """The chosen units, and the means of their gates."""
    lines = [f"{'':48}{'largest |r| of all units':>30}{'':10}{'mean of':>24}",
             f"{'unit':>4}  {'chosen for':32}{'r of its C':>10}{'before learning':>19}{'by chance':>11}{'learnt?':>10}"
             f"{'f':>7}{'i':>6}{'o':>6}{'C':>8}   std of C"]
    for unit in units:
        f, i, o, C = (values[:, unit.number] for values in trained[:4])
        numbers = (f"{'-':>10}{'-':>19}{'-':>11}{'-':>10}" if np.isnan(unit.r) else
                   f"{unit.r:10.2f}{unit.untrained:19.2f}{unit.chance:11.2f}{'yes' if unit.learnt() else 'no':>10}")
        lines.append(f"{unit.number:4}  {unit.why:32}{numbers}{f.mean():7.2f}{i.mean():6.2f}{o.mean():6.2f}"
                     f"{C.mean():8.2f}{C.std():11.2f}")
    return "\n".join(lines)


def saturated(found: Gates) -> str:
    """How often gates are nearly shut or nearly open, over all units and characters."""
    return "; ".join(f"{name} {np.mean(values < 0.1):.0%} and {np.mean(values > 0.9):.0%}"
                     for name, values in zip("fio", found))


def plot(text: str, found: Gates, part: slice, units: list[Unit], bits: float, path: Path) -> None:
    """f, i, o and C of the units over a part of the text."""
    numbers = [unit.number for unit in units]
    f, i, o, C = (values[:, numbers].astype(float) for values in found[:4])
    # each unit in its own standard deviations, or a unit that counts to 30 makes all others pale
    C = np.divide(C - C.mean(axis=0), C.std(axis=0), out=np.zeros(C.shape), where=C.std(axis=0) > 0)
    maps = {"forget gate f: the share of the memory that stays": f[part],
            "input gate i: the share of the new values that comes in": i[part],
            "output gate o: the share that is shown": o[part],
            "memory cell C, from the unit's mean over the whole text": C[part]}
    plots.write(path, plots.gates, maps, [SHOWN_AS.get(character, character) for character in text[part]],
                [f"{unit.why}, {'' if np.isnan(unit.r) else f'r {unit.r:.2f}, '}unit {unit.number}" for unit in units],
                f"An LSTM with {found.f.shape[1]} units ({bits:.2f} bits per character) reads what it has not learnt from")


def network(options: argparse.Namespace, text: str) -> Training:
    """The network before learning, as in char_lstm.py; with the sizes of the checkpoint, if given. Raises ValueError if the
    file is not a checkpoint."""
    settings, _ = char_lstm.parse(["--hidden", str(options.hidden), "--lr", str(options.lr), "--seed", str(options.seed)])
    if options.checkpoint:
        saved, _ = checkpoint.read(options.checkpoint)
        if (saved["model"], saved["layers"]) != ("lstm", 1):
            raise ValueError(f"{options.checkpoint} is of {saved['layers']} layers of the model {saved['model']}; "
                             "this program looks into one layer of lstm")
        vars(settings).update(saved)
    training = Training(settings, text)
    if len(training.columns) <= settings.time_steps or len(training.held_out) - HELD_OUT_STREAMS < options.start + options.length:
        raise ValueError(f"the text {options.text} is too short: {len(text)} characters, of which {len(training.held_out)} "
                         f"are not learnt from; --start and --length ask for {options.start + options.length} of them")
    return training


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    usual = char_lstm.parse([])[0]
    parser = command_line.new_parser(__doc__, "gates.png")
    parser.add_argument("--text", type=Path, default=usual.text, help="what to learn and read")
    parser.add_argument("--checkpoint", type=Path, help="of char_lstm.py, on the same text: learns nothing, looks into this")
    parser.add_argument("--steps", type=int, default=usual.steps, help="how long to learn, in pieces of text")
    parser.add_argument("--hidden", type=int, default=usual.hidden, help="hidden units")
    parser.add_argument("--lr", type=float, default=usual.lr, help="Adam's learning rate at first, as in char_lstm.py")
    parser.add_argument("--units", type=int, default=8, help="hidden units to show")
    parser.add_argument("--start", type=int, default=630, help="where the passage begins in the text that is not learnt from")
    parser.add_argument("--length", type=int, default=76, help="of the passage")
    options = command_line.parse(parser, argv, above_0="hidden lr units length")
    for name in ("steps", "start"):
        if getattr(options, name) < 0:
            parser.error(f"--{name} must be 0 or more, not {getattr(options, name)}")
    return options, parser


def main(argv: list[str] | None = None) -> list[Unit]:
    """Returns the shown units."""
    options, parser = parse(argv)
    try:
        text = read_text(options.text)
        training = network(options, text)
        cell = training.model.recurrent.cells[0]
        # the same streams as in held_out_bits(): no longer than those that were learnt from, where C may drift
        columns = streams(training.held_out, min(HELD_OUT_STREAMS, len(training.held_out) // 2))
        xs = training.model.one_hot[columns]
        untrained = gates(cell, xs)
        if options.checkpoint:
            checkpoint.resume(options.checkpoint, training)
    except ValueError as error:
        parser.error(str(error))

    if not options.checkpoint:
        with tqdm(total=options.steps, unit="step") as progress:
            for _ in range(options.steps):
                bits = training.learn()
                progress.update()
                progress.set_postfix_str(f"{bits:.2f} bits per character", refresh=False)

    held_out = "".join(training.vocabulary[character] for character in columns.T.ravel())
    bits = held_out_bits(training.model, training.held_out)
    trained = gates(cell, xs)
    difference, allowed = difference_to_layer(training.model, trained, columns)
    print(f"LSTM with {cell.hidden_size} units after {training.step} steps; {bits:.3f} bits per character on the {len(held_out)} "
          f"characters that it has not learnt from")
    print(f"h, gate by gate, equals the LSTM layer's outputs: the largest difference is {difference:.1e}, "
          f"float32 rounding allows {allowed:.1e}")
    if not difference <= allowed:
        raise AssertionError(f"the equations and the LSTM layer differ by {difference}")
    print(f"gates below 0.1 and above 0.9, before learning: {saturated(untrained)}\n"
          f"gates below 0.1 and above 0.9, after:           {saturated(trained)}\n")

    units = choose(held_out, trained, untrained, options.units, np.random.default_rng([options.seed, 1]))
    print(table(units, trained))
    part = slice(options.start, options.start + options.length)
    print(f"\nthe passage: {held_out[part]!r}")
    plot(held_out, trained, part, units, bits, options.plot)
    return units


if __name__ == "__main__":
    main()
