"""Layers and losses, made of minigrad's operations. Imported as minigrad.layers."""

from .files import load_arrays, save_arrays
from .gru import GRU, GRUCell
from .linear import Dropout, Embedding, Linear, Sequential
from .loss import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from .lstm import LSTM, LSTMCell
from .module import Module
from .recurrent import unroll
from .rnn import RNN, RNNCell
from .torch_weights import from_torch, to_torch

__all__ = [
    "Dropout", "Embedding", "GRU", "GRUCell", "LSTM", "LSTMCell", "Linear", "Module", "RNN", "RNNCell", "Sequential",
    "binary_cross_entropy_with_logits", "cross_entropy", "from_torch", "load_arrays", "mse_loss", "save_arrays", "to_torch",
    "unroll",
]
