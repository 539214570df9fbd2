"""Layers and losses, made of minigrad's operations. Imported as minigrad.layers."""

from .linear import Linear
from .loss import cross_entropy, mse_loss
from .lstm import LSTM, LSTMCell
from .module import Module
from .rnn import RNN, RNNCell

__all__ = ["LSTM", "LSTMCell", "Linear", "Module", "RNN", "RNNCell", "cross_entropy", "mse_loss"]
