"""Every Python block of the README and of the guides runs and prints the page's output; links work."""

import linecache
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import wrong_gradients

from minigrad import registry

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [README, *sorted((ROOT / "examples" / "guides").glob("*.md"))]


def stable(report):
    """A report's lines without the columns, and the widths of columns, that rounding may change on another machine."""
    return [" ".join(re.sub(r"\s*\[.*\S(?=\s+\w+$)", "", line).split()) for line in report.strip().splitlines()]


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """The output of each Python block of a page; each text block is the output of the Python block before it."""
    monkeypatch.chdir(tmp_path)

    def run(page):
        found, namespace, before = [], {"__name__": page.stem}, dict(registry)
        try:
            for number, (language, block) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
                if language == "python":
                    name = f"<{page.name}, block {number}>"  # reports quote its lines
                    linecache.cache[name] = len(block), None, block.splitlines(keepends=True), name
                    out = StringIO()
                    with redirect_stdout(out):
                        exec(compile(block, name, "exec"), namespace)
                    found.append(out.getvalue())
                elif language == "text":
                    assert stable(found[-1]) == stable(block)
        finally:
            registry.clear()
            registry.update(before)
        return found
    return run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page(page, printed):
    found = printed(page)
    assert all(len(line) <= 100 for report in found for line in report.splitlines())  # columns
    if page.name == "by_hand.md":
        assert len(list(filter(None, found))) == page.read_text(encoding="utf-8").count("```text") == 3  # nothing is left out
    if page == README:
        assert len(found) == 4 and "WRONG" in found[0]
        assert float(found[1]) < 0.001  # as the comment there says


def test_the_three_reports_are_what_the_example_prints(capsys):
    wrong_gradients.main([])
    printed = capsys.readouterr().out
    page = (ROOT / "examples" / "guides" / "gradcheck.md").read_text(encoding="utf-8")
    (block,) = [block for language, block in BLOCK.findall(page) if language == "output"]
    assert "`python examples/wrong_gradients.py`:\n\n```output" in page
    assert stable(printed) == stable(block)
    assert max(map(len, printed.splitlines())) <= 100  # columns


def test_the_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150 and all(len(line) <= 160 for line in lines if line[:1] != "|")


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "examples/README.md"))],
                         ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """To a file, or to a heading of a page, whose address has hyphens for its spaces."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert "://" in link or target.exists(), link
        if "://" not in link and heading:
            lines = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines], link
