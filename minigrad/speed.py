"""Two tricks for speed. Without this file, all gradients are the same.

A record's arrays are freed at the end of a step, and the next step allocates them again. glibc returns freed memory to the
system, and each new 4 KB cost 1 to 2 us. After a large array was freed, glibc keeps up to twice its size (here 62 MB)
for later: mallopt(3), "dynamic mmap threshold". The large array here stays unwritten, so it takes no memory itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .core import Gradients, Node, run

np.empty(31 * 2**20, np.uint8)


class Batches:
    """Products with one weight are queued and computed in one batch.

    op(..., postpone={"b": Batches(total)}): if one array is the argument b of several calls, total(gs, saved) gives the
    sum of its gradients, on arrays, faster than one by one. gs lists the gradients that arrived, saved the values that the
    formula needs. It may return NotImplemented.
    """

    def __init__(self, total: Callable) -> None:
        self.total = total

    def __call__(self, gradients: Gradients, node: Node, i: int, g: np.ndarray) -> None:
        """Queue a node's contribution for its parent number i. The queue is at most twice as large as the parent."""
        parent = node.parents[i]
        batch = gradients.postponed.get(parent)
        if batch is not None and (batch.total_of is not self or batch.i != i):
            gradients.postponed.pop(parent).settle(gradients)
            batch = None
        if batch is None:
            batch = gradients.postponed[parent] = Batch(self, i)
        batch.nodes.append(node)
        batch.gs.append(g)
        batch.size += g.size
        if batch.size >= 2 * math.prod(parent.shape):
            gradients.postponed.pop(parent).settle(gradients)


class Batch:
    """Contributions to one gradient, not computed yet."""

    def __init__(self, total_of: Batches, i: int) -> None:
        self.total_of, self.i, self.size = total_of, i, 0
        self.nodes: list[Any] = []
        self.gs: list[np.ndarray] = []

    def settle(self, gradients: Gradients) -> None:
        """Compute them and add them up."""
        i = self.i
        if len(self.nodes) > 1:
            total = self.total_of.total(self.gs, [node.saved[i] for node in self.nodes])
            if total is not NotImplemented:
                gradients.add(self.nodes[0], i, self.gs[0], total)
                return
        for node, g in zip(self.nodes, self.gs):
            gradients.add(node, i, g, run(node, i, g, node.saved[i]))
