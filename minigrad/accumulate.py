"""How the contributions to a gradient are added up: without writing into what is not ours, and without doing twice what can be
done once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .record import Node
from .tensor import Tensor


class Gradients:
    """Gradients by node. The first contribution is kept by reference, as it may be somebody else's
    array; the second allocates the sum; later ones are added in place.

    Contributions that are computed faster together wait until what arrived is twice as large as the gradient itself,
    or until that is asked for.
    """

    def __init__(self, nodes: list[Node], piece_of: Callable[..., Any]) -> None:
        self.useful, self.piece_of = set(nodes), piece_of
        self.total: dict[Node, Any] = {}
        self.owned: set[Node] = set()
        self.waiting: dict[Node, list[tuple[Node, int, Any]]] = {}  # nodes that used it, as which argument, and what arrived
        self.size_waiting: dict[Node, int] = {}

    def add(self, node: Node, piece: Any) -> None:
        total = self.total.get(node)
        if total is None:
            self.total[node] = piece
        elif node in self.owned:
            total += piece
        else:
            total = total + piece
            if not isinstance(total, Tensor):
                total = np.asarray(total)  # NumPy makes a scalar of a 0-d sum
                self.owned.add(node)
            self.total[node] = total

    def buffer(self, node: Node) -> np.ndarray:
        """An array to add into."""
        if node not in self.owned:
            self.total[node] = (np.zeros(node.shape, node.dtype) if node not in self.total
                                else np.array(self.total[node]))
            self.owned.add(node)
        return self.total[node]

    def wait(self, parent: Node, node: Node, i: int, g: np.ndarray) -> None:
        waiting = self.waiting.setdefault(parent, [])
        if waiting and (waiting[0][0].op is not node.op or waiting[0][1] != i):
            self.settle(parent)
            waiting = self.waiting.setdefault(parent, [])
        waiting.append((node, i, g))
        self.size_waiting[parent] = self.size_waiting.get(parent, 0) + g.size
        if self.size_waiting[parent] >= 2 * math.prod(parent.shape):
            self.settle(parent)

    def settle(self, parent: Node) -> None:
        """Add what waits for this node."""
        waiting = self.waiting.pop(parent)
        del self.size_waiting[parent]
        node, i, g = waiting[0]
        if len(waiting) > 1:
            saved = [other.saved[i] for other, _, _ in waiting if other.saved is not None]
            piece = node.op.together[i]([g for _, _, g in waiting], saved)
            if piece is not NotImplemented:
                self.add(parent, self.piece_of(node, i, g, piece))
                return
        for node, i, g in waiting:
            self.add(parent, self.piece_of(node, i, g))
