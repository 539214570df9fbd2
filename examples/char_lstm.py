"""A recurrent network learns to write, character by character.

    python examples/char_lstm.py                   an LSTM reads "Alice's Adventures in Wonderland"
    python examples/char_lstm.py --model rnn       the plain RNN for comparison; or gru
    python examples/char_lstm.py --text my.txt     any other text

What to look at: the samples, from noise over letter frequencies to words; and the plot. Its dashed lines are
what a table of this very text's n-grams could reach: the entropy of a character when 0, 1 or 2 characters
before it are known. A network below the order-1 line on text that it has not seen remembers more than one
character. What to try: --hidden 32, --layers 2, --time-steps 5 (how far back does the gradient reach?).

Source of the idea: A. Karpathy, "The unreasonable effectiveness of recurrent neural networks" (2015).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minigrad import detach, no_grad, softmax
from minigrad.layers import GRU, LSTM, RNN, Linear, Module, cross_entropy, load_arrays, save_arrays
from minigrad.optim import Adam, clip_grad_norm

HELD_OUT = 0.1  # the last tenth of the text is not learnt from
HELD_OUT_STREAMS = 10
LOG_EVERY = 100  # steps between measurements on the held-out text
MODELS = {"lstm": LSTM, "rnn": RNN, "gru": GRU}


class CharacterModel(Module):
    """Scores for the next character:  logits_t = h_t W + b,  h_t from a recurrent layer over one-hot characters."""

    def __init__(self, model: str, characters: int, hidden: int, layers: int, rng: np.random.Generator):
        self.recurrent = MODELS[model](characters, hidden, layers, rng=rng, dtype=np.float32)
        self.output = Linear(hidden, characters, rng=rng, dtype=np.float32)
        self.one_hot = np.eye(characters, dtype=np.float32)

    def forward(self, characters: np.ndarray, state=None):
        """characters: numbers (time, batch) -> logits (time, batch, characters), state."""
        h, state = self.recurrent(self.one_hot[characters], state)
        return self.output(h), state


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
    """Mean loss on text that was not learnt from, in bits per character."""
    columns = streams(characters, min(HELD_OUT_STREAMS, len(characters) // 2))
    logits, _ = model(columns[:-1])
    return cross_entropy(logits, columns[1:]).item() / math.log(2)


@no_grad()
def sample(model: CharacterModel, vocabulary: str, start: str, length: int, rng: np.random.Generator) -> str:
    """Text that the model writes: each character is drawn from the probabilities that it predicts."""
    written, state = start, None
    for _ in range(length):
        logits, state = model(np.array([[vocabulary.index(written[-1])]]), state)
        p = softmax(logits[0, 0].astype(np.float64)).numpy()
        written += vocabulary[rng.choice(len(vocabulary), p=p / p.sum())]
    return written[len(start):]


class Training:
    """Truncated back-propagation through time: pieces of the text one after the other, the state carried over."""

    def __init__(self, options: argparse.Namespace, text: str):
        self.options = options
        self.vocabulary = "".join(sorted(set(text)))
        numbers = {character: i for i, character in enumerate(self.vocabulary)}
        characters = np.array([numbers[character] for character in text])
        cut = len(text) - int(len(text) * HELD_OUT)
        self.columns, self.held_out = streams(characters[:cut], options.batch), characters[cut:]
        self.rng = np.random.default_rng(options.seed)
        self.model = CharacterModel(options.model, len(self.vocabulary), options.hidden, options.layers, self.rng)
        self.optimizer = Adam(self.model.parameters(), lr=options.lr)
        self.step, self.position, self.state = 0, 0, None
        self.losses: list[float] = []  # bits per character, every step
        self.held_out_losses: list[tuple[int, float]] = []  # (step, bits per character)

    def learn(self) -> float:
        """One step; returns the loss in bits per character."""
        T = self.options.time_steps
        if self.position + T >= len(self.columns):
            self.position, self.state = 0, None
        piece = self.columns[self.position:self.position + T + 1]
        self.optimizer.zero_grad()
        logits, state = self.model(piece[:-1], self.state)
        loss = cross_entropy(logits, piece[1:])
        loss.backward()
        clip_grad_norm(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        # the state goes on, its history does not: the gradient reaches back to the start of the piece and no further
        self.step, self.position, self.state = self.step + 1, self.position + T, detach(state)
        self.losses.append(loss.item() / math.log(2))
        return self.losses[-1]

    def architecture(self) -> dict:
        """What a checkpoint must agree with to be resumed."""
        return {name: getattr(self.options, name) for name in ("model", "hidden", "layers", "batch", "time_steps")} | {
            "vocabulary": self.vocabulary}

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one is replaced only when the new one is complete."""
        state = () if self.state is None else self.state if isinstance(self.state, tuple) else (self.state,)
        arrays = {"architecture": json.dumps(self.architecture()), "generator": json.dumps(self.rng.bit_generator.state),
                  "step": self.step, "position": self.position, "losses": self.losses,
                  "held_out_losses": np.array(self.held_out_losses).reshape(-1, 2)}
        arrays |= {f"model.{name}": value for name, value in self.model.state_dict().items()}
        arrays |= {f"optimizer.{name}": value for name, value in self.optimizer.state_dict().items()}
        arrays |= {f"state.{i}": s.numpy() for i, s in enumerate(state)}
        save_arrays(path, arrays)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises ValueError if it is none, or one of another architecture."""
        try:
            arrays = load_arrays(path)
            saved, own = json.loads(arrays["architecture"].item()), self.architecture()
            differences = [f"{name} is {saved.get(name)!r} there and {own[name]!r} here" for name in own
                           if saved.get(name) != own[name]]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is no checkpoint of this program: {error}") from None
        if differences:
            raise ValueError(f"{path} is of another architecture: {'; '.join(differences)}")

        def part(prefix: str) -> dict:
            return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.optimizer.load_state_dict(part("optimizer."))
        self.rng.bit_generator.state = json.loads(arrays["generator"].item())
        self.step, self.position = int(arrays["step"]), int(arrays["position"])
        self.losses = arrays["losses"].tolist()
        self.held_out_losses = [(int(step), bits) for step, bits in arrays["held_out_losses"]]
        state = tuple(part("state.").values())
        self.state = None if not state else state if self.options.model == "lstm" else state[0]


def plot(training: Training, entropies: list[float], path: Path) -> None:
    """The loss beside the entropies; only if matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: matplotlib is not installed (pip install matplotlib)")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.plot(range(1, training.step + 1), training.losses, color="C0", alpha=0.35, linewidth=0.8, label="training, each step")
    steps, bits = zip(*training.held_out_losses)
    axes.plot(steps, bits, color="C0", linewidth=2, marker="o", markersize=3, label="held-out text")
    for order, value in enumerate(entropies):
        axes.axhline(value, color=f"C{order + 1}", linestyle="--", linewidth=1)
        axes.text(training.step, value, f"order-{order} entropy {value:.2f}", color=f"C{order + 1}", ha="right", va="bottom")
    axes.set(xlabel="step", ylabel="bits per character", ylim=(0, max(training.losses) * 1.05),
             title=f"{training.options.model.upper()}, {training.options.hidden} hidden units: "
                   f"{bits[-1]:.2f} bits per character on held-out text")
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"plot: {path}")


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
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="lstm", help="the recurrent layer")
    parser.add_argument("--text", type=Path, default=Path(__file__).parent / "data" / "alice.txt", help="what to learn")
    parser.add_argument("--steps", type=int, default=2000, help="how long to learn, in pieces of text")
    parser.add_argument("--hidden", type=int, default=128, help="hidden units of a layer")
    parser.add_argument("--layers", type=int, default=1, help="recurrent layers")
    parser.add_argument("--time-steps", type=int, default=50, help="length of a piece: how far the gradient goes back")
    parser.add_argument("--batch", type=int, default=32, help="places of the text that are read at once")
    parser.add_argument("--lr", type=float, default=4e-3, help="Adam's learning rate")
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    parser.add_argument("--checkpoint", type=Path, default="char_MODEL.npz", help="where to save")
    parser.add_argument("--plot", type=Path, default="char_MODEL.png", help="where to plot")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, up to --steps in all")
    options = parser.parse_args(argv)
    for name in ("steps", "hidden", "layers", "time_steps", "batch", "lr", "clip"):
        if not getattr(options, name) > 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0, not {getattr(options, name)}")
    options.checkpoint = Path(str(options.checkpoint).replace("MODEL", options.model))
    options.plot = Path(str(options.plot).replace("MODEL", options.model))
    for path in (options.checkpoint, options.plot):
        if not path.parent.is_dir():
            parser.error(f"there is no folder {path.parent} to write {path.name} into")
    return options, parser


def main(argv: list[str] | None = None) -> float:
    """Returns the loss on the held-out text in bits per character."""
    options, parser = parse(argv)
    try:
        text = read_text(options.text)
        training = Training(options, text)
        if len(training.columns) <= options.time_steps or len(training.held_out) < 2:
            raise ValueError(f"the text {options.text} is too short: {len(text)} characters for {options.batch} places of "
                             f"{options.time_steps} characters; choose a smaller --batch or --time-steps")
        if options.resume:
            training.load(options.checkpoint)
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
                measured = held_out_bits(training.model, training.held_out)
                training.held_out_losses.append((training.step, measured))
                if training.step % (5 * LOG_EVERY) == 0 or training.step == options.steps:
                    written = sample(training.model, training.vocabulary, text[0], 200, training.rng)
                    tqdm.write(f"\n--- step {training.step}, held-out text {measured:.3f} bits per character; "
                               f"it writes:\n{written}")
                    training.save(options.checkpoint)

    result = training.held_out_losses[-1][1]
    print(f"\nheld-out text: {result:.3f} bits per character; order-1 entropy {entropies[1]:.3f}")
    print(f"checkpoint: {options.checkpoint}")
    plot(training, entropies, options.plot)
    return result


if __name__ == "__main__":
    main()
