"""Shows reports, models and Tensors: as HTML in notebooks, and as a tree in print(model)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

COLOURS = {"ok": "#1a7f37", "WRONG": "#cf222e"}  # readable on dark and bright pages; other verdicts are ochre
LEFT = "text-align:left; white-space:pre"


def element(tag: str, text: Any, style: str = "") -> str:
    """One element of HTML; `text` is shown as it is, whatever characters are in it."""
    return f'<{tag} style="{style}">{escape(str(text))}</{tag}>' if style else f"<{tag}>{escape(str(text))}</{tag}>"


def badge(verdict: str) -> str:
    colour = COLOURS.get(verdict, "#9a6700")
    return element("b", verdict, f"background:{colour}; color:white; padding:0 0.5em; border-radius:0.5em")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str]) -> str:
    """A table; the cells are HTML already. styles: one for each column."""
    lines = [f"<tr>{''.join(map(element, ['th'] * len(header), header, styles))}</tr>"] if header else []
    lines += ["<tr>" + "".join(f'<td style="{style}">{cell}</td>' for cell, style in zip(row, styles)) + "</tr>" for row in rows]
    return "<table>" + "".join(lines) + "</table>"


def report_html(title: str, verdict: str, cells: Sequence[Sequence[str]], notes: Iterable[str]) -> str:
    """A check's report. cells: the header, then a row for each input, with its verdict last."""
    header, *rows = cells
    lines = [[*map(escape, row[:-1]), badge(row[-1])] for row in rows]
    return "\n".join([f"<div>{escape(title)}: {badge(verdict)}</div>", table(header, lines, [LEFT] * len(header)),
                      *(element("div", note) for note in notes)])


# -- Tensors --------------------------------------------------------------------------------------

def tensor_text(t: Any) -> str:
    values = np.array2string(t.array, separator=", ", prefix="Tensor(")
    dtype = "" if t.dtype == float else f", dtype={t.dtype}"
    origin = "" if t.node is None else f", op={t.node.op.__name__}" if t.node.op else ", requires_grad=True"
    return f"Tensor({values}{dtype}{origin})"


def tensor_html(t: Any) -> str:
    """Shape, dtype, origin and values."""
    origin = "constant" if t.node is None else f"result of {t.node.op.__name__}" if t.node.op else "leaf, requires grad"
    what = escape(f" {t.shape} {t.dtype}, {origin}")
    return f"<div>{element('b', 'Tensor')}{what}</div>\n{element('pre', np.array2string(t.array, separator=', '))}"


# -- models ---------------------------------------------------------------------------------------

def tree(held: Sequence[tuple[str, Any]]) -> list[tuple[str, str, str]]:
    """A line for each Module and Tensor: its name and kind, its number of parameters, and a remark such as "frozen".

    held: (path, Module or Tensor) pairs. The first is the model itself, and a Module comes before its contents.
    """
    lines = []
    around: list[str] = []  # beginnings of paths: of the Modules around the present line, the innermost last
    for path, value in held:
        while around and not path.startswith(around[-1]):
            around.pop()
        indent, name = "  " * len(around), path.removeprefix(around[-1]) if around else ""
        if hasattr(value, "is_parameter"):
            dtype = "" if value.dtype == np.float64 else f" {value.dtype}"
            count = f"{value.size:,}" if value.is_parameter else ""
            special = "not a parameter" if not value.is_parameter else "" if value.requires_grad else "frozen"
            lines.append((f"{indent}{name} {value.shape}{dtype}", count, special))
        else:
            around.append(f"{path}." if path else "")
            total = sum(t.size for inside, t in held if inside.startswith(around[-1]) and getattr(t, "is_parameter", False))
            lines.append((f"{indent}{name}: {type(value).__name__}" if name else type(value).__name__, f"{total:,}",
                          "" if name else "parameter" if total == 1 else "parameters"))
    return lines


def tree_text(held: Sequence[tuple[str, Any]]) -> str:
    lines = tree(held)
    what, count = (max(len(line[i]) for line in lines) for i in (0, 1))
    return "\n".join(f"{line[0]:<{what}}  {line[1]:>{count}}  {line[2]}".rstrip() for line in lines)


def tree_html(held: Sequence[tuple[str, Any]]) -> str:
    return table((), [tuple(map(escape, line)) for line in tree(held)], (LEFT, "text-align:right", LEFT))
