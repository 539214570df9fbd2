"""A picture of a record: the operations that a Tensor came from, drawn by Graphviz.

`graph` writes text in Graphviz' language DOT, which needs nothing installed. The Python package graphviz calls the
program `dot`, which draws the text as an image.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .core import Node
from .tensor import Tensor

INSTALL = ("needs the Python package graphviz (pip install graphviz) and the program dot (apt install graphviz, "
           "brew install graphviz, or from https://graphviz.org/download); the text in .dot needs neither")

STYLE = """\
  graph [fontname="Helvetica", fontsize=12, labeljust=l, labelloc=b, style=rounded, color=gray60, ranksep=0.3]
  node [fontname="Helvetica", fontsize=11, margin="0.08,0.05"]
  edge [arrowsize=0.6, color=gray40]"""
LEAF = ', shape=box, style=filled, fillcolor=lightyellow'
RESULT = ", penwidth=2.5"


class Graph:
    """The result of `graph`: `.dot` is the picture as DOT text, `render` draws it, and Jupyter shows it."""

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def render(self, path: str | os.PathLike[str]) -> None:
        """Draw it into a file whose name ends in .svg or .png.

        Raises RuntimeError that says what to install if Graphviz is missing, and ValueError for another ending.
        """
        from pathlib import Path  # not above: this import takes a sixth of the time of `import minigrad`
        path = Path(path)
        if path.suffix.lower() not in (".svg", ".png"):
            raise ValueError(f"graph: a picture is written as .svg or .png, not as {path.name!r}")
        path.write_bytes(self._drawn(path.suffix.lower()[1:]))

    def _drawn(self, form: str) -> bytes:
        try:
            import graphviz  # type: ignore[import]
        except ImportError:
            raise RuntimeError(f"graph: a picture {INSTALL}") from None
        try:
            return graphviz.Source(self.dot).pipe(format=form)
        except graphviz.ExecutableNotFound:
            raise RuntimeError(f"graph: a picture {INSTALL}") from None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For Jupyter: the picture, or the text if it cannot be drawn."""
        try:
            return {"image/svg+xml": self._drawn("svg").decode(), "text/plain": repr(self)}
        except RuntimeError as error:
            return {"text/plain": f"{error}\n\n{self.dot}"}

    def __repr__(self) -> str:
        return f"<graph, {len(self.dot.splitlines())} lines of DOT: print(graph.dot) or graph.render('graph.svg')>"


def graph(y: Tensor | Sequence[Tensor], names: Any = None,
          groups: Mapping[str, Tensor | Sequence[Tensor]] | None = None, limit: int = 300) -> Graph:
    """A picture of the record that backward() would walk from y, or from several results.

    Leaves are yellow boxes. Operations are ellipses with their static arguments, such as axis or index. Each shows its shape,
    and its dtype if that is not float64. Arrows point from inputs to results, and y has a thick line. Constants are not
    recorded, so they are not drawn: an operation names its constant arguments.

    names: a Module, for the names of its parameters, or a mapping from names to Tensors, leaves or results:
        graph(h, {**dict(cell.named_parameters()), "x": x, "h": h})
    A name whose Tensor is not in the record does not appear.

    groups: draws a frame around each part, given by its result. A group has every operation that its Tensor (or
    Tensors) needs and that is not in an earlier group:
        graph(loss, names=cell, groups={"t = 1": h_1, "t = 2": h_2})

    Raises RuntimeError if y has no record, or an earlier backward() has freed a part of it. Raises ValueError if y
    does not depend on a group's result, or if the picture has more than `limit` nodes: nobody could read it.
    """
    results = _nodes_of(y, "y")
    nodes = sorted(_reached(results), key=attrgetter("order"))
    for node in nodes:
        if node.op is not None and not node.parents:
            raise RuntimeError(f"graph: an earlier backward() has freed the record behind a result of {node.op.__name__}, of "
                               f"shape {node.shape}; draw before backward(), or call backward(retain_graph=True)")
    if len(nodes) > limit:
        raise ValueError(f"graph: the record has {len(nodes):,} nodes, more than the limit of {limit:,}: take fewer time "
                         f"steps or an earlier result, or pass limit={len(nodes)}")
    called = _names(names)
    number = {node: i for i, node in enumerate(nodes)}
    lines = ["digraph {", STYLE]
    for node in nodes:
        style = (LEAF if node.op is None else "") + (RESULT if node in results else "")
        lines.append(f"  n{number[node]} [label={_quoted(_label(node, called.get(node, '')))}{style}]")
    for i, (label, members) in enumerate(_grouped(groups or {}, set(nodes)).items()):
        inside = " ".join(f"n{number[node]}" for node in sorted(members, key=attrgetter("order")))
        lines.append(f"  subgraph cluster_{i} {{ label={_quoted(label)} {inside} }}")
    for node in nodes:
        lines += [f"  n{number[parent]} -> n{number[node]}" for parent in node.parents if parent is not None]
    return Graph("\n".join([*lines, "}\n"]))


def _nodes_of(y: Any, name: str) -> list[Node]:
    found = []
    for t in [y] if isinstance(y, Tensor) or not isinstance(y, Iterable) else y:
        if not isinstance(t, Tensor):
            raise TypeError(f"graph: {name} must be a Tensor or a sequence of Tensors, not {type(t).__name__}")
        if t.node is None:
            raise RuntimeError(f"graph: {name}, of shape {t.shape}, has no record: create its inputs with requires_grad=True, "
                               "and compute it outside no_grad()")
        found.append(t.node)
    return found


def _reached(roots: Iterable[Node], stop: Iterable[Node] = ()) -> set[Node]:
    """The roots and the nodes that they depend on; the search does not enter nodes in `stop`."""
    before = set(stop)
    stack = [root for root in roots if root not in before]
    found = set(stack)
    while stack:  # no recursion: a long sequence is deeper than Python's stack
        for parent in stack.pop().parents:
            if parent is not None and parent not in found and parent not in before:
                found.add(parent)
                stack.append(parent)
    return found


def _grouped(groups: Mapping[str, Any], drawn: set[Node]) -> dict[str, set[Node]]:
    """The operations of each group; leaves stay outside, because groups may share them."""
    taken: set[Node] = set()
    found = {}
    for label, ends in groups.items():
        roots = _nodes_of(ends, f"the group {label!r}")
        if not drawn.issuperset(roots):
            raise ValueError(f"graph: y does not depend on the result of the group {label!r}; was it computed a second time?")
        members = _reached(roots, taken)
        found[label] = {node for node in members if node.op is not None}
        taken |= members
    return found


def _names(names: Any) -> dict[Node, str]:
    if names is None:
        return {}
    if hasattr(names, "named_parameters"):
        names = dict(names.named_parameters())
    if not isinstance(names, Mapping) or not all(isinstance(t, Tensor) for t in names.values()):
        raise TypeError("graph: names must be a Module or a mapping from names to Tensors, as in {'x': x}")
    return {t.node: name for name, t in names.items() if t.node is not None}


def _label(node: Node, name: str) -> str:
    shape = f"{node.shape}" + ("" if node.dtype == np.float64 else f" {node.dtype}")
    if node.op is None:
        return f"{name or 'leaf'}\n{shape}"
    static = ", ".join(_static(name, value) for name, value in node.static.items() if value is not None and value is not False)
    inputs = node.op.inputs * (len(node.parents) if node.op.variadic else 1)
    constants = [f"{argument}[{i}]" if node.op.variadic else argument
                 for i, (argument, parent) in enumerate(zip(inputs, node.parents)) if parent is None]
    lines = [f"{name} = {node.op.__name__}" if name else node.op.__name__, static, shape]
    if constants:
        lines.append(f"constant: {', '.join(constants)}")
    return "\n".join(line for line in lines if line)


def _static(name: str, value: Any) -> str:
    if name == "index":
        parts = value if isinstance(value, tuple) else (value,)
        return f"[{', '.join(_index(part) for part in parts)}]"
    return f"{name}={_brief(value)}"


def _index(part: Any) -> str:
    if not isinstance(part, slice):
        return "..." if part is ... else _brief(part)
    start, stop, step = ("" if end is None else f"{end}" for end in (part.start, part.stop, part.step))
    return f"{start}:{stop}" + (f":{step}" if step else "")


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 1:
        return f"array {value.shape}"
    text = np.dtype(value).name if isinstance(value, (type, np.dtype)) else str(value)
    return text if len(text) <= 30 else f"{text[:27]}..."


def _quoted(text: str) -> str:
    """A string of DOT."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
