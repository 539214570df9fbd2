"""The report of the gradient check: a row per input, and one verdict."""

from __future__ import annotations

import math
import sys
import textwrap
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from ..show import report_html

OK, WRONG, KINK, INCONCLUSIVE, UNSEEN = "ok", "WRONG", "KINK", "INCONCLUSIVE", "UNSEEN"
NOT_GIVEN = "not given"  # a backward pass written by hand does not compute this input's gradient
HINTS = ("full", "family", "none")  # how much the report says about the mistake
WIDTH = 100  # columns of a terminal


@dataclass(frozen=True)
class Row:
    """One input or parameter, with the entry where analytic and numeric gradient differ most, relative to the bound.

    verdict: "ok"; "KINK" (right, but some entries lie on a kink, where any slope between left and right is accepted);
    "WRONG"; "INCONCLUSIVE"; "UNSEEN" (f's rounding errors hide every entry); or "not given" (backward returned None). notes:
    more facts for the reader.
    checked: how many entries were compared one by one; failing: how many of them were not right; unseen: how many are hidden
    by rounding errors. sensitivity: larger errors in the other entries would have been found. It is relative to the entry's
    derivative or to the root mean square of all, whichever is larger (if all are 0, to the slopes a step away).
    """

    name: str
    shape: tuple[int, ...]
    entries: int
    checked: int
    failing: int
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    bound: float
    verdict: str
    notes: tuple[str, ...] = ()
    sensitivity: float = 0.0
    unseen: int = 0


@dataclass(frozen=True)
class Report:
    """Truthy if every gradient is right. `verdict` is "ok", "WRONG", "INCONCLUSIVE" or "UNSEEN". notes: pairs of a verdict and
    a sentence about all inputs. again: the call that gives this report."""

    rows: list[Row]
    order: int = 1
    notes: list[tuple[str, str]] = field(default_factory=list)
    again: str = ""

    @property
    def verdict(self) -> str:
        verdicts = {row.verdict for row in self.rows} | {verdict for verdict, _ in self.notes}
        return next((v for v in (WRONG, INCONCLUSIVE, UNSEEN) if v in verdicts), OK)

    def __bool__(self) -> bool:
        return self.verdict == OK

    def to_dict(self) -> dict[str, Any]:
        """The report for json.dumps. Numbers that are not finite become None."""
        rows = [{name: None if isinstance(value, float) and not math.isfinite(value) else value
                 for name, value in asdict(row).items()} for row in self.rows]
        return {"verdict": self.verdict, "order": self.order, "rows": rows, "notes": [text for _, text in self.notes],
                "again": self.again}

    def __str__(self) -> str:
        table = self._table()
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
        lines += [line for note in self._notes() for line in textwrap.wrap(note, WIDTH, subsequent_indent="  ")]
        return "\n".join([f"{self._title()}: {self.verdict}", *lines, *self._last_line()])

    def _repr_html_(self) -> str:
        return report_html(self._title(), self.verdict, self._table(), [*self._notes(), *self._last_line()])

    def _title(self) -> str:
        return {1: "gradient", 2: "second-order gradient"}[self.order]

    def _table(self) -> list[tuple[str, ...]]:
        """The header, and a line for each row of the report."""
        header = ("input", "shape", "failing", "worst at", "analytic", "numeric", "+-", "verdict")
        table: list[tuple[str, ...]] = [header, *((
            row.name, str(row.shape), f"{row.failing} of {row.checked}",
            *(("-",) * 4 if row.verdict == NOT_GIVEN else (
                "-" if row.index is None else str(list(row.index)), f"{row.analytic:.8g}", f"{row.numeric:.8g}",
                f"{row.bound:.1e}")), row.verdict) for row in self.rows)]
        if any(row.unseen for row in self.rows):
            counts = ("unseen", *(str(row.unseen) for row in self.rows))
            table = [(*line[:3], count, *line[3:]) for line, count in zip(table, counts)]
        return table

    def _notes(self) -> list[str]:
        said: dict[str, list[str]] = {}  # a note for several rows is printed once, with their names
        for row in self.rows:
            for note in row.notes:
                said.setdefault(note, []).append(row.name)
        return [f"{', '.join(names)}: {note}" for note, names in said.items()] + [text for _, text in self.notes]

    def _last_line(self) -> list[str]:
        """The sensitivity of the check, or the call that repeats it."""
        sensitivity = max((row.sensitivity for row in self.rows), default=0.0)
        if self:
            return [f"errors above {sensitivity:.0e} of a gradient's size would have been found"] if sensitivity else []
        return [f"again: {self.again}"] if self.again else []


class Progress:
    """A line on the terminal that shows the progress of a long check; nothing for short checks, or outside a terminal."""

    SILENT, BETWEEN = 2.0, 0.2  # seconds before the first line, and between lines

    def __init__(self, total: int) -> None:
        self.total, self.done, self.shown = total, 0, False
        self.next = time.monotonic() + self.SILENT if sys.stderr.isatty() else float("inf")

    def __enter__(self) -> Progress:
        return self

    def tick(self) -> None:
        self.done += 1
        if time.monotonic() >= self.next:
            self.next, self.shown = time.monotonic() + self.BETWEEN, True
            print(f"\rgradcheck: {self.done} of {self.total} entries ({self.done / self.total:.0%})", end="", file=sys.stderr,
                  flush=True)

    def __exit__(self, *error: Any) -> None:
        if self.shown:
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)
