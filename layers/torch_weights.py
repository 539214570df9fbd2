"""Converts weights to and from PyTorch, as NumPy arrays, without importing PyTorch.

PyTorch transposes weights. It has separate weights for h and x, weight_hh and weight_ih, and a bias for each. It puts
the LSTM's gates below each other in the order i, f, g, o; g is the candidate c~ of this project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .gru import GRU, GRUCell
from .linear import Embedding, Linear
from .lstm import LSTM, LSTMCell
from .module import Module
from .rnn import RNN, RNNCell

GATES: dict[type[Module], list[str]] = {RNNCell: [""], LSTMCell: ["_i", "_f", "_c", "_o"]}
"""Endings of the names of a cell's W and b, in PyTorch's order of gates."""

Arrays = dict[str, np.ndarray]


def to_torch(module: Module) -> Arrays:
    """The state dict for a torch.nn model with the same layers under the same names: RNN, LSTM, RNNCell, LSTMCell, Linear
    and Embedding. bias_ih has the biases; bias_hh is 0. No state dict has an RNN's nonlinearity: make the model there with the
    same one, torch.nn.RNN(..., nonlinearity="relu").

        torch_model.load_state_dict({name: torch.from_numpy(a) for name, a in to_torch(model).items()})

    Raises TypeError for a GRU, which PyTorch defines otherwise, and for parameters in layers that PyTorch lacks.
    """
    state, converted = {}, set()
    for layer, _, theirs, suffix in _layers(module):
        converted |= {id(p) for p in layer.parameters()}
        for name, array in TO_TORCH[type(layer)](layer, layer.state_dict()).items():
            state[theirs + name + suffix] = np.ascontiguousarray(array)
    left = [name for name, p in module.named_parameters() if id(p) not in converted]
    if left:
        raise TypeError(f"to_torch: PyTorch has no layer for these parameters: {', '.join(left)}")
    return state


def from_torch(module: Module, state: Mapping[str, Any]) -> None:
    """Set the weights from a torch.nn model's state dict: the inverse of to_torch. Its values may be arrays or CPU
    tensors. b is the sum of PyTorch's two biases, or 0 if the torch model has none.

    Raises ValueError, and changes nothing, if names or shapes do not match; TypeError for a GRU.
    """
    ours, used = module.state_dict(), set()
    for layer, own, theirs, suffix in _layers(module):
        expected = TO_TORCH[type(layer)](layer, layer.state_dict())
        arrays = {}
        for name, array in expected.items():
            full = theirs + name + suffix
            if full not in state and not name.startswith("bias"):
                raise ValueError(f"from_torch: the state dict has no {full}; it has {', '.join(state)}")
            arrays[name] = np.asarray(state[full]) if full in state else np.zeros_like(array)
            used.add(full)
            if arrays[name].shape != array.shape:
                raise ValueError(f"from_torch: {full} has shape {arrays[name].shape}, expected {array.shape}")
        ours.update({own + name: array for name, array in FROM_TORCH[type(layer)](layer, arrays).items()})
    unexpected = [name for name in state if name not in used]
    if unexpected:
        raise ValueError(f"from_torch: {type(module).__name__} has no parameters for {', '.join(unexpected)}")
    module.load_state_dict(ours)


def _layers(module: Module) -> Iterator[tuple[Module, str, str, str]]:
    """Every layer that PyTorch also has: (layer, prefix of our names, prefix and suffix of PyTorch's names)."""
    places: dict[int, tuple[str, str]] = {}  # for the cells of an RNN or LSTM, which PyTorch numbers
    for name, layer in module.named_modules():
        path = f"{name}." if name else ""
        if isinstance(layer, (GRU, GRUCell)):
            raise TypeError(f"{name or type(layer).__name__}: PyTorch's GRU has other equations; see help(GRUCell)")
        if isinstance(layer, (RNN, LSTM)):
            for number, cell in enumerate(layer.cells):
                depth, backwards = divmod(number, layer.directions)
                places[id(cell)] = path, f"_l{depth}" + ("_reverse" if backwards else "")
        elif type(layer) in TO_TORCH:
            yield layer, path, *places.get(id(layer), (path, ""))


def _cell_to_torch(cell: Any, ours: Arrays) -> Arrays:
    gates, H = GATES[type(cell)], cell.hidden_size
    bias = np.concatenate([ours[f"b{gate}"] for gate in gates])
    return {"weight_ih": np.concatenate([ours[f"W{gate}"][H:].T for gate in gates]),
            "weight_hh": np.concatenate([ours[f"W{gate}"][:H].T for gate in gates]),
            "bias_ih": bias, "bias_hh": np.zeros_like(bias)}


def _cell_from_torch(cell: Any, theirs: Arrays) -> Arrays:
    ours, H = {}, cell.hidden_size
    for k, gate in enumerate(GATES[type(cell)]):
        rows = slice(k * H, (k + 1) * H)
        ours[f"W{gate}"] = np.concatenate([theirs["weight_hh"][rows].T, theirs["weight_ih"][rows].T])
        ours[f"b{gate}"] = theirs["bias_ih"][rows] + theirs["bias_hh"][rows]
    return ours


def _linear_to_torch(linear: Any, ours: Arrays) -> Arrays:
    return {"weight": ours["W"].T, **({"bias": ours["b"]} if "b" in ours else {})}


def _linear_from_torch(linear: Any, theirs: Arrays) -> Arrays:
    return {"W": theirs["weight"].T, **({"b": theirs["bias"]} if "bias" in theirs else {})}


TO_TORCH: dict[type, Callable[[Any, Arrays], Arrays]] = {
    RNNCell: _cell_to_torch, LSTMCell: _cell_to_torch, Linear: _linear_to_torch,
    Embedding: lambda layer, ours: {"weight": ours["W"]}}
FROM_TORCH: dict[type, Callable[[Any, Arrays], Arrays]] = {
    RNNCell: _cell_from_torch, LSTMCell: _cell_from_torch, Linear: _linear_from_torch,
    Embedding: lambda layer, theirs: {"W": theirs["weight"]}}
