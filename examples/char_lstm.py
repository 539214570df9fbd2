"""A recurrent network learns to write, character by character.

    python examples/char_lstm.py                   an LSTM reads "Alice's Adventures in Wonderland"
    python examples/char_lstm.py --model rnn       the plain RNN for comparison; or gru
    python examples/char_lstm.py --text my.txt     any other text
    python examples/char_lstm.py --sample 500 --temperature 0.7
                                                   learns nothing; writes 500 characters with an earlier run's network

What to look at: the samples, from noise over letter frequencies to words; and the plot. Its dashed lines are the
best losses of a table of this text's n-grams: the entropy of a character when 0, 1 or 2 characters before
it are known. If a network is below the order-1 line on unseen text, it remembers more than one
character. What to try: --hidden 32, --layers 2, --time-steps 5 (how far back does the gradient reach?), --dropout 0
(it learns the text by heart: only the training loss falls further), --temperature 0.3 (it repeats itself) and 1.5
(it invents words).

Sources: A. Karpathy, "The unreasonable effectiveness of recurrent neural networks" (2015), for the idea and the
temperature; W. Zaremba et al., "Recurrent neural network regularization" (2014): no dropout from step to step.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

import checkpoint
import command_line
import numpy as np
import plots
from tqdm import tqdm

from minigrad import Tensor, detach, no_grad, softmax
from minigrad.layers import GRU, LSTM, RNN, Dropout, Linear, Module, cross_entropy
from minigrad.optim import Adam, clip_grad_norm

HELD_OUT = 0.1  # the last tenth of the text is never learnt
HELD_OUT_STREAMS = 10
LOG_EVERY = 100  # steps between measurements on the held-out text
HALF = 750  # the learning rate halves in so many steps, whatever --steps is, so that --resume can go on
MODELS = {"lstm": LSTM, "rnn": RNN, "gru": GRU}


class CharacterModel(Module):
    """Scores for the next character:  logits_t = dropout(h_t) W + b,  h_t from a recurrent layer over one-hot characters."""

    def __init__(self, model: str, characters: int, hidden: int, layers: int, dropout: float, rng: np.random.Generator):
        self.recurrent = MODELS[model](characters, hidden, layers, rng=rng, dtype=np.float32)
        self.dropout = Dropout(dropout, rng=rng)
        self.output = Linear(hidden, characters, rng=rng, dtype=np.float32)
        self.one_hot = np.eye(characters, dtype=np.float32)

    def forward(self, characters: np.ndarray, state=None):
        """characters: numbers (time, batch) -> logits (time, batch, characters), state."""
        h, state = self.recurrent(self.one_hot[characters], state)
        return self.output(self.dropout(h)), state


def learn_piece(model: CharacterModel, optimizer: Adam, piece: np.ndarray, state, clip: float) -> tuple[Tensor, object]:
    """One step of truncated back-propagation through time, on a piece of the text (time + 1, batch): its loss and last state."""
    optimizer.zero_grad()
    logits, state = model(piece[:-1], state)
    loss = cross_entropy(logits, piece[1:])
    loss.backward()
    clip_grad_norm(model.parameters(), clip)
    optimizer.step()
    # the state goes on without its history: the gradient reaches back to the start of the piece, no further
    return loss, detach(state)


@no_grad()
def sample(model: CharacterModel, vocabulary: str, start: str, length: int, temperature: float, rng: np.random.Generator) -> str:
    """Text that the model writes: each character is drawn from its probabilities, softmax(logits / temperature).

    Below 1, likely characters become likelier; near 0, only the likeliest is written.
    """
    model.eval()
    written, state = start, None
    for _ in range(length):
        logits, state = model(np.array([[vocabulary.index(written[-1])]]), state)
        p = softmax(logits[0, 0].numpy().astype(np.float64) / temperature)
        written += vocabulary[rng.choice(len(vocabulary), p=p / p.sum())]
    model.train()
    return written[len(start):]


# -- around the idea: the text, how good it is, the run from start to end, the options ------------------------------


def entropy(text: str, order: int) -> float:
    """The entropy in bits of a character of this text when the `order` characters before it are known:

        H = - sum over n-grams of  p(context, character) log2 p(character | context),  p counted in the text itself
    """
    contexts, ngrams = Counter(), Counter()
    for i in range(len(text) - order):
        contexts[text[i:i + order]] += 1
        ngrams[text[i:i + order + 1]] += 1
    total = sum(ngrams.values())
    return -sum(n / total * math.log2(n / contexts[ngram[:-1]]) for ngram, n in ngrams.items())


def streams(characters: np.ndarray, count: int) -> np.ndarray:
    """The text cut into equally long pieces side by side: (time, count)."""
    length = len(characters) // count
    return characters[:length * count].reshape(count, length).T


@no_grad()
def held_out_bits(model: CharacterModel, characters: np.ndarray) -> float:
    """Mean loss on held-out text, in bits per character."""
    columns = streams(characters, min(HELD_OUT_STREAMS, len(characters) // 2))
    model.eval()
    logits, _ = model(columns[:-1])
    model.train()
    return cross_entropy(logits, columns[1:]).item() / math.log(2)


class Training:
    """A run: it learns the text piece after piece, carries the state over, and keeps the measured losses."""

    def __init__(self, options: argparse.Namespace, text: str):
        self.options = options
        self.vocabulary = "".join(sorted(set(text)))
        numbers = {character: i for i, character in enumerate(self.vocabulary)}
        characters = np.array([numbers[character] for character in text])
        cut = len(text) - int(len(text) * HELD_OUT)
        self.columns, self.held_out = streams(characters[:cut], options.batch), characters[cut:]
        self.rng = np.random.default_rng(options.seed)
        self.model = CharacterModel(options.model, len(self.vocabulary), options.hidden, options.layers, options.dropout,
                                    self.rng)
        self.optimizer = Adam(self.model.parameters(), lr=lambda step: options.lr * 0.5 ** (step / HALF))
        self.step, self.position, self.state = 0, 0, None
        self.losses: list[float] = []  # bits per character, every step
        self.held_out_losses: list[tuple[int, float]] = []  # (step, bits per character)

    def learn(self) -> float:
        """One step; returns the loss in bits per character."""
        T = self.options.time_steps
        if self.position + T >= len(self.columns):
            self.position, self.state = 0, None
        piece = self.columns[self.position:self.position + T + 1]
        loss, self.state = learn_piece(self.model, self.optimizer, piece, self.state, self.options.clip)
        self.step, self.position = self.step + 1, self.position + T
        self.losses.append(loss.item() / math.log(2))
        return self.losses[-1]

    def measure(self) -> float:
        """Note and return the loss on the held-out text."""
        self.held_out_losses.append((self.step, held_out_bits(self.model, self.held_out)))
        return self.held_out_losses[-1][1]


def written_from_checkpoint(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Text that the checkpoint's network writes after a full stop. Raises ValueError if the file is not a checkpoint, or
    if the options ask for another network."""
    saved, arrays = checkpoint.read(options.checkpoint)
    checkpoint.check_same(options.checkpoint, saved, {name: getattr(options, name) for name in ("model", "hidden", "layers")
                                                      if getattr(options, name) != parser.get_default(name)})
    vocabulary, rng = saved["vocabulary"], np.random.default_rng(options.seed)
    model = CharacterModel(saved["model"], len(vocabulary), saved["hidden"], saved["layers"], 0, np.random.default_rng(0))
    model.load_state_dict(checkpoint.part(arrays, "model."))
    print(f"{options.checkpoint}: {saved['model'].upper()}, {saved['hidden']} hidden units, after {arrays['step']} steps; "
          f"temperature {options.temperature:g}\n")
    return sample(model, vocabulary, "." if "." in vocabulary else vocabulary[0], options.sample, options.temperature, rng)


def read_text(path: Path) -> str:
    """The text. Raises ValueError if there is nothing to learn from."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the text {path}: {error}") from None
    if len(set(text)) < 2:
        raise ValueError(f"the text {path} has {len(text)} characters, {len(set(text))} of them different; "
                         "there must be two at least to predict anything")
    return text


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    parser = command_line.new_parser(__doc__, "char_MODEL.png")
    parser.add_argument("--model", choices=MODELS, default="lstm", help="the recurrent layer")
    parser.add_argument("--text", type=Path, default=Path(__file__).parent / "data" / "alice.txt", help="what to learn")
    parser.add_argument("--steps", type=int, default=3000, help="how long to learn, in pieces of text")
    parser.add_argument("--hidden", type=int, default=192, help="hidden units of a layer")
    parser.add_argument("--layers", type=int, default=1, help="recurrent layers")
    parser.add_argument("--time-steps", type=int, default=50, help="length of a piece: how far the gradient goes back")
    parser.add_argument("--batch", type=int, default=16, help="places of the text that are read at once")
    parser.add_argument("--dropout", type=float, default=0.4, help="share of h that the output layer does not see in training")
    parser.add_argument("--lr", type=float, default=0.012, help=f"Adam's learning rate at first; half of it every {HALF} steps")
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--checkpoint", type=Path, default="char_MODEL.npz", help="where to save")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--resume", action="store_true", help="go on from the checkpoint, up to --steps in all")
    one.add_argument("--sample", type=int, metavar="LENGTH", help="learn nothing; write so many characters from the checkpoint")
    parser.add_argument("--temperature", type=float, default=1.0,
                        help="of the writing, above 0: below 1 the likely becomes likelier, near 0 nothing else is written")
    options = command_line.parse(parser, argv, above_0="steps hidden layers time_steps batch lr clip sample temperature")
    options.checkpoint = Path(str(options.checkpoint).replace("MODEL", options.model))
    options.plot = Path(str(options.plot).replace("MODEL", options.model))
    if not options.sample:
        command_line.check_folder(parser, options.checkpoint)
    return options, parser


def main(argv: list[str] | None = None) -> float | str:
    """Returns the loss on the held-out text in bits per character; with --sample, the written text."""
    options, parser = parse(argv)
    try:
        if options.sample:
            print(written := written_from_checkpoint(options, parser))
            return written
        text = read_text(options.text)
        training = Training(options, text)
        if len(training.columns) <= options.time_steps or len(training.held_out) < 2:
            raise ValueError(f"the text {options.text} is too short: {len(text)} characters for {options.batch} places of "
                             f"{options.time_steps} characters; choose a smaller --batch or --time-steps")
        if options.resume:
            checkpoint.resume(options.checkpoint, training)
    except ValueError as error:
        parser.error(str(error))

    entropies = [entropy(text, order) for order in range(3)]
    print(f"{len(text)} characters, {len(training.vocabulary)} different; entropy in bits per character: "
          + ", ".join(f"order {order} {value:.3f}" for order, value in enumerate(entropies)))
    parameters = sum(p.size for p in training.model.parameters())
    print(f"{options.model.upper()} with {parameters} parameters, from step {training.step} to {options.steps}")

    with tqdm(total=options.steps, initial=training.step, unit="step") as progress:
        while training.step < options.steps:
            bits = training.learn()
            progress.update()
            progress.set_postfix_str(f"{bits:.2f} bits per character", refresh=False)
            if training.step % LOG_EVERY == 0 or training.step == options.steps:
                measured = training.measure()
                if training.step % (5 * LOG_EVERY) == 0 or training.step == options.steps:
                    rng = np.random.default_rng([options.seed, training.step])  # training.rng serves learning only
                    written = sample(training.model, training.vocabulary, text[0], 200, options.temperature, rng)
                    tqdm.write(f"\n--- step {training.step}, held-out text {measured:.3f} bits per character; "
                               f"it writes:\n{written}")
                    checkpoint.save(options.checkpoint, training)

    result = training.held_out_losses[-1][1]
    print(f"\nheld-out text: {result:.3f} bits per character; order-1 entropy {entropies[1]:.3f}")
    print(f"checkpoint: {options.checkpoint}")
    network = f"{options.model.upper()}, {options.hidden} hidden units"
    plots.write(options.plot, plots.char_lstm, training.losses, training.held_out_losses, entropies, network)
    return result


if __name__ == "__main__":
    main()
