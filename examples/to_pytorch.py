"""Moves a model that was trained here to PyTorch; it goes on from the same loss.

    python examples/to_pytorch.py

A small character LSTM learns for a while with minigrad. Then its weights go into a torch.nn model with the same
layers, which goes on learning. At last they come back. What to look at: the losses before and after each move; they
agree but for rounding in float32. What to try: --layers 2; --model rnn.

Needs PyTorch: pip install torch
"""

from __future__ import annotations

import argparse
import math
import sys

import char_lstm
import numpy as np
from tqdm import trange

from minigrad.layers import from_torch, to_torch


def torch_model(torch, model: str, characters: int, hidden: int, layers: int):
    """The same layers under the same names as in char_lstm.CharacterModel."""
    class CharacterModel(torch.nn.Module):
        def __init__(self):
            super().__init__()
            kind = {"lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[model]
            self.recurrent = kind(characters, hidden, layers)
            self.output = torch.nn.Linear(hidden, characters)

        def forward(self, numbers):
            one_hot = torch.nn.functional.one_hot(torch.from_numpy(numbers), characters).float()
            return self.output(self.recurrent(one_hot)[0])

    return CharacterModel()


def torch_bits(torch, model, piece: np.ndarray):
    """The loss on a piece (time + 1, batch) in bits per character, like minigrad's model."""
    logits = model(piece[:-1])
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(piece[1:]).flatten()) / math.log(2)


def learn_on(torch, model, training: char_lstm.Training, steps: int) -> None:
    """Train the torch model on the pieces of the same text."""
    T = training.options.time_steps
    optimizer = torch.optim.Adam(model.parameters(), lr=training.optimizer.current_lr())
    for step in trange(steps, desc="PyTorch"):
        start = step * T % (len(training.columns) - T)
        loss = torch_bits(torch, model, training.columns[start:start + T + 1])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.options.clip)
        optimizer.step()


# -- around the idea: there and back, with the losses at each border; the options -----------------------------------


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Returns the losses in bits per character at each border."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", choices=("lstm", "rnn"), default="lstm", help="the recurrent layer")
    parser.add_argument("--layers", type=int, default=1, help="recurrent layers")
    parser.add_argument("--steps", type=int, default=200, help="steps here, and as many there")
    parser.add_argument("--hidden", type=int, default=64, help="hidden units")
    options = parser.parse_args(argv)
    try:
        import torch
    except ImportError:
        sys.exit("this example needs PyTorch, and it is not installed: pip install torch")

    torch.manual_seed(0)
    settings, _ = char_lstm.parse(["--model", options.model, "--hidden", str(options.hidden), "--layers", str(options.layers),
                                   "--dropout", "0"])
    training = char_lstm.Training(settings, char_lstm.read_text(settings.text))
    for _ in trange(options.steps, desc="minigrad"):
        training.learn()
    piece = char_lstm.streams(training.held_out, 10)

    losses = {"minigrad, before": char_lstm.held_out_bits(training.model, training.held_out)}
    model = torch_model(torch, options.model, len(training.vocabulary), options.hidden, options.layers)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in to_torch(training.model).items()})
    with torch.no_grad():
        losses["PyTorch, before"] = torch_bits(torch, model, piece).item()
    learn_on(torch, model, training, options.steps)
    with torch.no_grad():
        losses["PyTorch, after"] = torch_bits(torch, model, piece).item()
    from_torch(training.model, model.state_dict())
    losses["minigrad, after"] = char_lstm.held_out_bits(training.model, training.held_out)

    print("\nbits per character on held-out text")
    for name, bits in losses.items():
        print(f"{name:<18} {bits:.6f}")
    return losses


if __name__ == "__main__":
    main()
