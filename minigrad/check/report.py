"""What the gradient check found: a row per input, and one verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OK, WRONG, KINK, INCONCLUSIVE = "ok", "WRONG", "KINK", "INCONCLUSIVE"


@dataclass(frozen=True)
class Row:
    """One input or parameter, with the entry where analytic and numeric gradient differ most, measured by the bound.

    verdict: "ok"; "KINK" (right, but some entries lie on a kink, where any slope between left and right is accepted);
    "WRONG"; or "INCONCLUSIVE". notes: what a reader should know besides.
    """

    name: str
    shape: tuple[int, ...]
    entries: int
    failing: int
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    bound: float
    verdict: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Truthy if every gradient is right. `verdict` is "ok", "WRONG" or "INCONCLUSIVE"."""

    rows: list[Row]
    order: int = 1

    @property
    def verdict(self) -> str:
        verdicts = {row.verdict for row in self.rows}
        return next((v for v in (WRONG, INCONCLUSIVE) if v in verdicts), OK)

    def __bool__(self) -> bool:
        return self.verdict == OK

    def to_dict(self) -> dict[str, Any]:
        """The same for machines: what json.dumps takes."""
        return {"verdict": self.verdict, "order": self.order, "rows": [asdict(row) for row in self.rows]}

    def __str__(self) -> str:
        derivative = {1: "gradient", 2: "second-order gradient"}[self.order]
        header = ("input", "shape", "failing", "worst at", "analytic", "numeric", "+-", "verdict")
        table = [header] + [(
            row.name, str(row.shape), f"{row.failing} of {row.entries}",
            "-" if row.index is None else str(list(row.index)), f"{row.analytic:.8g}", f"{row.numeric:.8g}",
            f"{row.bound:.1e}", row.verdict) for row in self.rows]
        widths = [max(len(line[i]) for line in table) for i in range(len(header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
        notes = [f"{row.name}: {note}" for row in self.rows for note in row.notes]
        return "\n".join([f"{derivative}: {self.verdict}", *lines, *notes])
