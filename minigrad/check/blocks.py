"""Finds mistakes in the Jacobian's blocks: which index of an output contributes to which index of an input.

If an axis of an output and an axis of an input have the same length, they cut the Jacobian into blocks (index out, index in).
If these axes are time, the blocks above the diagonal are zero: no output depends on a later input.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .situation import ROUNDING, Situation

MOST_BLOCKS = 32  # on longer axes, single indices are not tried
Hypothesis = tuple[str, np.ndarray, np.ndarray]


def blocks(jacobian: np.ndarray, out: tuple[int, ...], axis: int, into: tuple[int, ...], axis_in: int) -> np.ndarray:
    """(index out, index in, other outputs, other inputs)"""
    J = np.moveaxis(jacobian.reshape(out + into), (axis, len(out) + axis_in), (0, 1))
    return J.reshape(out[axis], into[axis_in], int(np.prod(out)) // out[axis], -1)


def is_time(J: np.ndarray) -> bool:
    """Are the blocks causal? Then index t of the output depends only on s <= t, and on some earlier s."""
    used = np.abs(J).max(axis=(2, 3), initial=0) > 0
    return len(J) > 1 and not np.triu(used, 1).any() and bool(np.tril(used, -1).any())


def steps(s: Situation) -> Iterator[tuple[int, int, int, bool]]:
    """Number and axis of an output, axis of the input, and whether these are time steps."""
    start = 0
    for j, y in enumerate(s.ys):
        for axis, n in enumerate(y.shape):
            for axis_in, m in enumerate(s.x.shape):
                if 1 < n == m <= MOST_BLOCKS:
                    yield (
                        j,
                        axis,
                        axis_in,
                        is_time(blocks(s.jacobian[start : start + y.size], y.shape, axis, s.x.shape, axis_in)),
                    )
        start += y.size


def some_blocks(s: Situation) -> Iterator[Hypothesis]:
    """Only some indices of the outputs contribute to an index of the input. A single wrong entry does not show that."""
    if (np.abs(s.analytic - s.numeric) > s.error).sum() < 2:
        return
    if [y.shape for y in s.ys] == [s.x.shape] and np.count_nonzero(s.jacobian) > s.x.size:
        diagonal = np.diag(s.jacobian).reshape(s.x.shape) * s.gs[0]
        yield (
            "only the Jacobian's diagonal counts: how the other outputs depend on an entry is missing",
            diagonal,
            np.abs(diagonal) * s.relative_error,
        )
    for j, axis, axis_in, time in steps(s):
        n, of_output = s.x.shape[axis_in], f" of output {j}" if len(s.ys) > 1 else " of the output"
        lag = np.arange(n)[:, None] - np.arange(n)
        if time:
            yield (
                "the carry is lost: step t gets only what arrives at step t itself, nothing flows back from step t+1",
                *_masked(s, j, axis, axis_in, lag == 0),
            )
            for k in range(1, n - 1):
                yield (
                    f"the carry is cut: step t gets only what arrives at steps t..t+{k}",
                    *_masked(s, j, axis, axis_in, lag <= k),
                )
            yield (
                "what arrives at step t itself does not count for step t, only later steps do",
                *_masked(s, j, axis, axis_in, lag > 0),
            )
        else:
            yield (
                f"only index k of axis {axis}{of_output} counts for index k of axis {axis_in}: how other outputs depend on "
                "an entry is missing",
                *_masked(s, j, axis, axis_in, lag == 0),
            )
            yield (
                f"index k of axis {axis}{of_output} does not count for index k of axis {axis_in}, only the others do",
                *_masked(s, j, axis, axis_in, lag != 0),
            )


def softmax_forms(s: Situation) -> Iterator[Hypothesis]:
    """The gradient of another function of the softmax family, and sums over too many axes."""
    if [y.shape for y in s.ys] == [s.x.shape]:
        g = s.gs[0]
        for axis in range(s.x.ndim):
            p = np.exp(s.x - s.x.max(axis=axis, keepdims=True))
            p /= p.sum(axis=axis, keepdims=True)
            for text, gradient, size in (
                (
                    f"it is softmax's gradient, p (g - sum(g p)), along axis {axis}",
                    p * (g - (g * p).sum(axis, keepdims=True)),
                    np.abs(g),
                ),
                (
                    f"it is log-softmax's gradient, g - p sum(g), along axis {axis}",
                    g - p * g.sum(axis, keepdims=True),
                    np.abs(g),
                ),
                (
                    f"the sum in p (g - sum(g p)) goes over all axes, not only over axis {axis}",
                    p * (g - (g * p).sum()),
                    np.abs(g),
                ),
                (f"the sum in g - p sum(g) goes over all axes, not only over axis {axis}", g - p * g.sum(), np.abs(g)),
                ("it is g - p, where p must be multiplied by the sum of g", g - p, np.abs(g)),
                ("it is p - g: wrong sign, and p must be multiplied by the sum of g", p - g, np.abs(g)),
                (
                    f"it is (1 - p) sum(g p), along axis {axis}: the Jacobian has a 1 off its diagonal, too",
                    (1 - p) * (g * p).sum(axis, keepdims=True),
                    np.abs(g),
                ),
                (
                    f"it is g - sum(g y), along axis {axis}, where p sum(g) must be subtracted",
                    g - (g * s.ys[0]).sum(axis, keepdims=True),
                    np.abs(g) * (1 + np.abs(s.ys[0])),
                ),
            ):
                if not (np.abs(gradient - s.numeric) <= s.error).all():
                    yield text, gradient, ROUNDING * size.sum() * np.ones(s.x.shape)


def powers(s: Situation) -> Iterator[Hypothesis]:
    """The Jacobian is applied twice or transposed, or g is used once more."""
    if [y.shape for y in s.ys] == [s.x.shape]:
        again, error = s.for_cotangents([s.numeric])
        yield (
            "the derivative is applied twice: to g, and to the result once more",
            again,
            error + np.abs(s.jacobian).sum(0).max() * s.error,
        )
        yield "it is multiplied by g once more", s.gs[0] * s.numeric, np.abs(s.gs[0]) * s.error
        forward = (s.jacobian @ s.gs[0].ravel()).reshape(s.x.shape)
        yield (
            "the Jacobian is not transposed (a cumulative sum, for one, has to run the other way)",
            forward,
            (np.abs(s.jacobian) @ np.abs(s.gs[0]).ravel()).reshape(s.x.shape) * s.relative_error.max(),
        )


def _masked(s: Situation, j: int, axis: int, axis_in: int, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient without the blocks of output j that are not kept; other outputs count in full."""
    before = sum(y.size for y in s.ys[:j])
    out, into = s.ys[j].shape, s.x.shape
    mask = kept.reshape([n if i in (axis, len(out) + axis_in) else 1 for i, n in enumerate(out + into)])
    J, terms = s.jacobian.copy(), np.abs(s.jacobian)
    part = slice(before, before + s.ys[j].size)
    J[part] = (J[part].reshape(out + into) * mask).reshape(J[part].shape)
    v = np.concatenate([g.ravel() for g in s.gs])
    return (v @ J).reshape(into), (np.abs(v) @ terms).reshape(into) * s.relative_error
