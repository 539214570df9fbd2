"""A network learns to add: it reads "47+85", character by character, and writes "132".

    python examples/addition.py                    two-digit numbers, 5,000 questions, 55 epochs
    python examples/addition.py --seeds 3          three networks, each with its own questions and initial weights
    python examples/addition.py --digits 3 --examples 50000

One LSTM, the encoder, reads the question from its end ("58+74"). A second LSTM, the decoder, gets only the encoder's
last h, the same at each of its steps; the sum must be in those 128 numbers.

What to look at: the samples. First the lengths and the first digits become right; then wrong answers are wrong by one
or by ten. Then the table: accuracy per character flatters. With 63 % of the characters right, only 12 % of the
answers are right. What to try: --hidden 32, --examples 2000 (learnt by heart or understood?), --forwards (the
question as it is written: does the order matter for so short a question?).

The goal is the figure of Keras's example, "two digits reversed: one layer LSTM (128 HN), 5k training examples =
99% train/test accuracy in 55 epochs". Keras counts characters, also the spaces that fill an answer up.
Keras never asks 85+47 if 47+85 was learnt. Here half of the unseen questions were seen in the other order, so the
table has a column for questions that were seen in neither order. Compare that column.

Sources: Keras's examples/addition_rnn.py (https://keras.io/examples/nlp/addition_rnn/); W. Zaremba and I. Sutskever,
"Learning to execute" (2014); I. Sutskever et al., "Sequence to sequence learning with neural networks" (2014).
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import NamedTuple

import command_line
import numpy as np
import plots
from tqdm import tqdm

from minigrad import no_grad, stack
from minigrad.layers import LSTM, Linear, Module, cross_entropy
from minigrad.optim import Adam, clip_grad_norm

VOCABULARY = " +0123456789"
HELD_OUT = 5000  # unseen questions to ask, or all if there are fewer
SAMPLES = 5
KERAS = 0.99  # per character, after 55 epochs


class Adder(Module):
    """Scores for the characters of an answer:  logits_t = h_t W + b,  h_t from the decoder. The encoder reads the
    question's one-hot characters; its last h is the decoder's input at every step."""

    def __init__(self, digits: int, hidden: int, rng: np.random.Generator):
        self.answer_length = digits + 1
        self.encoder = LSTM(len(VOCABULARY), hidden, rng=rng, init="orthogonal", dtype=np.float32)
        self.decoder = LSTM(hidden, hidden, rng=rng, init="orthogonal", dtype=np.float32)
        self.output = Linear(hidden, len(VOCABULARY), rng=rng, init="xavier", dtype=np.float32)
        self.one_hot = np.eye(len(VOCABULARY), dtype=np.float32)

    def forward(self, x: np.ndarray):
        """x: characters (time, batch) -> logits (answer's length, batch, characters)."""
        h, _ = self.encoder(self.one_hot[x])
        h, _ = self.decoder(stack(*[h[-1]] * self.answer_length))
        return self.output(h)


def learn_epoch(model: Adder, optimizer: Adam, learnt: Questions, order: np.ndarray, batch_size: int, clip: float) -> None:
    """Learn once from every question and its answer, in this order, batch after batch."""
    for i in range(0, len(order), batch_size):
        batch = learnt.part(order[i:i + batch_size])
        optimizer.zero_grad()
        loss = cross_entropy(model(batch.x), batch.y)
        loss.backward()
        clip_grad_norm(model.parameters(), clip)
        optimizer.step()


# -- around the idea: questions and answers as arrays, how many are right, the tables, the options ------------------


class Questions(NamedTuple):
    a: np.ndarray
    b: np.ndarray
    x: np.ndarray  # characters of the questions (time, count)
    y: np.ndarray  # characters of the answers (time, count)

    def part(self, which) -> Questions:
        return Questions(self.a[which], self.b[which], self.x[:, which], self.y[:, which])


def encode(texts: list[str], length: int) -> np.ndarray:
    """The characters' numbers (length, texts). Spaces fill up shorter texts."""
    return np.array([[VOCABULARY.index(character) for character in text.ljust(length)] for text in texts]).T


def decode(characters: np.ndarray) -> list[str]:
    return ["".join(VOCABULARY[i] for i in column) for column in characters.T]


def ask(a: np.ndarray, b: np.ndarray, digits: int, forwards: bool = False) -> Questions:
    """The questions a+b with their answers; the questions are reversed unless `forwards`."""
    x = encode([f"{first}+{second}" for first, second in zip(a, b)], 2 * digits + 1)
    return Questions(a, b, x if forwards else x[::-1], encode([str(first + second) for first, second in zip(a, b)], digits + 1))


def draw(rng: np.random.Generator, digits: int, examples: int, forwards: bool) -> tuple[Questions, Questions, np.ndarray]:
    """Questions to learn from and unseen ones, all different, out of all ordered pairs; and which unseen ones were not
    learnt in the other order either."""
    numbers = 10**digits
    chosen = rng.choice(numbers**2, min(examples + HELD_OUT, numbers**2), replace=False)
    a, b = np.divmod(chosen, numbers)
    swapped = (b * numbers + a)[examples:]
    return (ask(a[:examples], b[:examples], digits, forwards), ask(a[examples:], b[examples:], digits, forwards),
            ~np.isin(swapped, chosen[:examples]))


@no_grad()
def answers(model: Adder, x: np.ndarray) -> np.ndarray:
    """The characters with the highest scores."""
    return np.concatenate([model(x[:, i:i + 1000]).numpy().argmax(axis=-1) for i in range(0, x.shape[1], 1000)], axis=1)


def accuracy(answered: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """The share of right characters, and of completely right answers."""
    same = answered == right
    return same.mean(), same.all(axis=0).mean()


def baseline(right: np.ndarray) -> tuple[float, float]:
    """The best accuracies if all questions get one answer: the most frequent character at each place; and the
    most frequent answer."""
    count = right.shape[1]
    most = [Counter(column.tolist()).most_common(1)[0][1] for column in right]
    return sum(most) / right.size, Counter(decode(right)).most_common(1)[0][1] / count


class Measured(NamedTuple):
    """Accuracies after an epoch, each (per character, per whole answer)."""
    epoch: int
    learnt: tuple[float, float]
    unseen: tuple[float, float]
    unseen_either_way: tuple[float, float]

    def row(self) -> str:
        return f"{self.epoch:5}" + "".join(f"  {100 * character:9.2f} % {100 * whole:6.2f} %" for character, whole in self[1:])


HEADER = (f"{'':5}" + "".join(f"  {group:>20}" for group in ("learnt from", "unseen", "unseen either way")) + "\n"
          f"{'epoch':5}" + f"  {'character':>11} {'whole':>8}" * 3)


def samples(model: Adder, questions: Questions, rng: np.random.Generator) -> str:
    """Some unseen questions with the network's answers."""
    some = questions.part(rng.choice(len(questions.a), min(SAMPLES, len(questions.a)), replace=False))
    return "\n".join(f"{f'{a}+{b}':>{len(some.x) + 4}} = {answer}  "
                     + ("right" if answer.rstrip() == str(a + b) else f"WRONG, {a + b}")
                     for a, b, answer in zip(some.a, some.b, decode(answers(model, some.x))))


def learn(seed: int, options: argparse.Namespace, progress: tqdm) -> list[Measured]:
    """Train one network from the start; returns the accuracies after every epoch."""
    rng = np.random.default_rng(seed)
    learnt, unseen, either_way = draw(rng, options.digits, options.examples, options.forwards)
    strict = unseen.part(either_way)
    model = Adder(options.digits, options.hidden, rng)
    steps = -(-options.examples // options.batch) * options.epochs
    optimizer = Adam(model.parameters(), lr=lambda step: options.lr * (1 - step / steps))
    by_character, whole = baseline(unseen.y)
    tqdm.write(f"\nseed {seed}: {len(learnt.a)} questions to learn from, {len(unseen.a)} unseen, {len(strict.a)} of them unseen "
               f"either way; {sum(p.size for p in model.parameters())} parameters\n"
               f"one answer to all unseen questions has at best {100 * by_character:.2f} % of the characters right, "
               f"or {100 * whole:.2f} % of the answers")
    measured = []
    for epoch in range(1, options.epochs + 1):
        learn_epoch(model, optimizer, learnt, rng.permutation(options.examples), options.batch, options.clip)
        progress.update()
        answered = answers(model, unseen.x)
        measured.append(Measured(epoch, accuracy(answers(model, learnt.x), learnt.y), accuracy(answered, unseen.y),
                                 accuracy(answered[:, either_way], strict.y) if len(strict.a) else (np.nan, np.nan)))
        progress.set_postfix_str(f"unseen: {measured[-1].unseen[0]:.1%} of characters", refresh=False)
        if epoch in shown_epochs(options.epochs):
            tqdm.write(f"\n--- epoch {epoch}: of the unseen, {measured[-1].unseen[0]:.2%} of the characters right, "
                       f"{measured[-1].unseen[1]:.2%} of the answers\n{samples(model, unseen, rng)}")
    return measured


def shown_epochs(epochs: int) -> set[int]:
    """The first epoch, the last, and about ten between."""
    every = max(1, round(epochs / 55) * 5)
    return {1, epochs, *range(every, epochs, every)}


def summary(runs: dict[int, list[Measured]], options: argparse.Namespace) -> str:
    """The last epoch of every seed, beside Keras's figure."""
    published = options.digits == 2 and not options.forwards
    lines = []
    for seed, measured in runs.items():
        shown = [m for m in measured if m.epoch in shown_epochs(options.epochs)]
        lines += [f"accuracy, seed {seed}", HEADER, *(m.row() for m in shown), ""]
    lines += [f"accuracy after {options.epochs} epochs with {options.examples} questions to learn from and {options.hidden} "
              "hidden units", HEADER.replace("epoch", " seed") + f"  first {KERAS:.0%} of the characters"]
    for seed, measured in runs.items():
        reached = [m.epoch for m in measured if m.unseen_either_way[0] >= KERAS]
        lines.append(measured[-1]._replace(epoch=seed).row() + f"  {f'epoch {reached[0]}' if reached else 'not reached'}")
    if published:
        lines += [f"Keras{'99 %':>13}{'99 %':>44}{'epoch 55':>19}",
                  "Keras: two digits, reversed, one layer LSTM (128 HN), 5k training examples; train/test, per character;\n"
                  "from the head of https://github.com/keras-team/keras/blob/10bfb1c565582803982e2205d41b095bc929d4a4/examples/addition_rnn.py"]
    return "\n".join(lines)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.new_parser(__doc__, "addition.png", "the first seed")
    parser.add_argument("--digits", type=int, default=2, help="of the largest number")
    parser.add_argument("--examples", type=int, default=5000, help="questions to learn from")
    parser.add_argument("--epochs", type=int, default=55, help="how often each of them is learnt from")
    parser.add_argument("--hidden", type=int, default=128, help="hidden units of the encoder and of the decoder")
    parser.add_argument("--batch", type=int, default=128, help="questions that are learnt from at once")
    parser.add_argument("--lr", type=float, default=8e-3, help="Adam's learning rate at first; it falls to 0 in a straight line")
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--forwards", action="store_true", help="read the question from its beginning")
    parser.add_argument("--seeds", type=int, default=1, help="networks, with the seeds SEED, SEED + 1, ...")
    options = command_line.parse(parser, argv, above_0="examples epochs hidden batch lr clip seeds")
    if not 1 <= options.digits <= 9:
        parser.error(f"--digits must be 1 to 9, not {options.digits}")
    if options.examples >= 100**options.digits:
        parser.error(f"--examples must be below {100**options.digits}, the number of questions that there are, or none is left "
                     f"unseen; not {options.examples}")
    return options


def main(argv: list[str] | None = None) -> dict[int, list[Measured]]:
    """Returns, for each seed, the accuracies after every epoch."""
    options = parse(argv)
    runs = {}
    with tqdm(total=options.seeds * options.epochs, unit="epoch") as progress:
        for seed in range(options.seed, options.seed + options.seeds):
            runs[seed] = learn(seed, options, progress)
    print("\n" + summary(runs, options) + "\n")
    title = f"{options.digits} digits, {options.examples} questions, {options.hidden} hidden units"
    plots.write(options.plot, plots.addition, runs, title, KERAS)
    return runs


if __name__ == "__main__":
    main()
