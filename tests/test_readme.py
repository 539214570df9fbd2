"""Every Python block of the README runs, one after the other, and prints what the README says."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import wrong_gradients

from minigrad import registry

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def stable(report):
    """A report's lines without the columns, and the widths of columns, that rounding may change on another machine."""
    return [" ".join(re.sub(r"\s*\[.*\S(?=\s+\w+$)", "", line).split()) for line in report.strip().splitlines()]


def test_python_blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    before, namespace, printed, compared = dict(registry), {"__name__": "readme"}, [], 0
    for language, block in blocks:
        if language == "python":
            out = StringIO()
            with redirect_stdout(out):
                exec(compile(block, "README.md", "exec"), namespace)
            printed.append(out.getvalue())
        elif language == "text":
            assert stable(printed[-1]) == stable(block)
            compared += 1
    registry.clear()
    registry.update(before)
    assert len(printed) >= 5 and compared == 2
    assert float(printed[0]) < 0.001  # as the comment there says


def test_the_three_reports_are_what_the_example_prints(capsys):
    wrong_gradients.main([])
    printed = capsys.readouterr().out
    (block,) = re.findall(r"^```output\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert "`python examples/wrong_gradients.py`:\n\n```output" in README
    assert stable(printed) == stable(block)
    assert max(map(len, printed.splitlines())) <= 100  # columns
