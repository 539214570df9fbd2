"""Saves a training run: the parameters, the optimiser's memory, the random generator, and the number of steps.

char_lstm.py writes such a file, and goes on from it with exactly the same numbers; gates.py looks inside its network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigrad.layers import load_arrays, save_arrays

if TYPE_CHECKING:
    from char_lstm import Training

ARCHITECTURE = ("model", "hidden", "layers", "batch", "time_steps", "vocabulary")


def architecture(training: Training) -> dict:
    """The settings that a checkpoint must share with a run that resumes it."""
    return {name: getattr(training.options, name) for name in ARCHITECTURE[:-1]} | {"vocabulary": training.vocabulary}


def save(path: Path, training: Training) -> None:
    """Write a checkpoint; the old one is replaced only when the new one is complete."""
    state = () if training.state is None else training.state if isinstance(training.state, tuple) else (training.state,)
    arrays = {"architecture": json.dumps(architecture(training)), "generator": json.dumps(training.rng.bit_generator.state),
              "step": training.step, "position": training.position, "losses": training.losses,
              "held_out_losses": np.array(training.held_out_losses).reshape(-1, 2)}
    arrays |= {f"model.{name}": value for name, value in training.model.state_dict().items()}
    arrays |= {f"optimizer.{name}": value for name, value in training.optimizer.state_dict().items()}
    arrays |= {f"state.{i}": s.numpy() for i, s in enumerate(state)}
    save_arrays(path, arrays)


def read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The architecture and the arrays. Raises ValueError if the file is not a checkpoint."""
    if not path.exists():
        raise ValueError(f"there is no checkpoint {path}; char_lstm.py writes one")
    try:
        arrays = load_arrays(path)
        saved = json.loads(arrays["architecture"].item())
        return {name: saved[name] for name in ARCHITECTURE}, arrays
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no checkpoint of char_lstm.py: {error}") from None


def part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays with this prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def check_same(path: Path, saved: dict, own: dict) -> None:
    """Raises ValueError if a checkpoint has another architecture than this run."""
    differences = [f"{name} is {saved[name]!r} there and {own[name]!r} here" for name in own if saved[name] != own[name]]
    if differences:
        raise ValueError(f"{path} is of another architecture: {'; '.join(differences)}")


def resume(path: Path, training: Training) -> None:
    """Go on from a checkpoint. Raises ValueError if the file is not one, or has another architecture."""
    saved, arrays = read(path)
    check_same(path, saved, architecture(training))
    training.model.load_state_dict(part(arrays, "model."))
    training.optimizer.load_state_dict(part(arrays, "optimizer."))
    training.rng.bit_generator.state = json.loads(arrays["generator"].item())
    training.step, training.position = int(arrays["step"]), int(arrays["position"])
    training.losses = arrays["losses"].tolist()
    training.held_out_losses = [(int(step), bits) for step, bits in arrays["held_out_losses"]]
    state = tuple(part(arrays, "state.").values())
    training.state = None if not state else state if training.options.model == "lstm" else state[0]
