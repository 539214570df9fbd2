"""Writes the release for students, and the bundle for Gradescope."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from pathlib import Path

from .assignment import Assignment, load_assignment
from .cells import notebook
from .grading import SETS
from .library import LAYERS, ROOT
from .public import public_tests
from .starter import starter

SETUP = """#!/bin/sh
# Gradescope runs this once, when it builds the image: Python with NumPy, for every user to read, outside of the tests' folder.
set -e
root=${AUTOGRADER:-/autograder}
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then apt-get update && apt-get install -y python3 python3-venv; fi
python3 -m venv "$root/python"
if [ -d "$root/source/wheels" ]; then
    "$root/python/bin/pip" install --no-index --find-links "$root/source/wheels" numpy
else
    "$root/python/bin/pip" install 'numpy>=2.0'
fi
"""
RUN = """#!/bin/sh
# Gradescope runs this for each submission. There is a results.json whatever happens.
root=${{AUTOGRADER:-/autograder}}
python=${{PYTHON:-$root/python/bin/python}}
chmod 0700 "$root/source" "$root/results"
student=$("$python" -I -c 'import json, sys
print(json.load(open(sys.argv[1]))["users"][0]["email"])' "$root/submission_metadata.json" 2>/dev/null || echo unknown)
cd "$root/source" && PYTHONPATH="$root/source" "$python" -m minigrad grade "$root/submission/{file}" \\
    --assignment "$root/source/assignment" --secret "$root/source/secret" --student "$student" \\
    --out "$root/results/results.json" --format gradescope
[ -s "$root/results/results.json" ] || echo '{{"score": 0, "output": "This could not be graded: tell the course staff."}}' \\
    > "$root/results/results.json"
"""


def release(folder: Path) -> None:
    """Write DIR/release, the files for students."""
    files = released(load_assignment(folder), folder / "release")
    print("\n".join(f"wrote {file}" for file in files))


def released(assignment: Assignment, place: Path) -> list[Path]:
    """Write the starter, the public tests, the handout, the milestone, and a notebook of all into a folder."""
    place.mkdir(exist_ok=True)
    solution = (assignment.folder / "solution.py").read_text(encoding="utf-8")
    contents = {assignment.file: starter(solution), "public.json": public_tests(assignment, SETS)}
    for name in ("handout.md", "milestone.py"):
        if (assignment.folder / name).is_file():
            contents[name] = (assignment.folder / name).read_text(encoding="utf-8")
    contents[f"{Path(assignment.file).stem}.ipynb"] = notebook(
        contents[assignment.file], contents.get("handout.md", ""), json.loads(contents["public.json"])["questions"],
        "milestone.py" in contents)
    for name, content in contents.items():
        (place / name).write_text(content, encoding="utf-8")
    return [place / name for name in contents]


def bundle(folder: Path, secret: Path | None = None, wheels: Path | None = None) -> Path:
    """Write DIR/NAME.zip, an autograder for Gradescope. A missing secret is made and kept in DIR/secret, because only the same
    secret gives the same grade again."""
    assignment = load_assignment(folder)
    secret = secret or folder / "secret"
    if not secret.exists():
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
            made.write(secrets.token_hex(32) + "\n")
    target = folder / f"{assignment.name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("setup.sh", SETUP), ("run_autograder", RUN.format(file=assignment.file))):
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, content)
        archive.write(secret, "secret")
        for file in _files(folder, ("*.py", "wrong/*.py")):
            archive.write(file, f"assignment/{file.relative_to(folder)}")
        for name, source in (("minigrad", ROOT), *((f"minigrad/{part}", LAYERS / part) for part in ("layers", "optim"))):
            for file in _files(source, ("**/*.py",)):
                inside = f"{name}/{file.relative_to(source)}"
                if inside not in archive.NameToInfo:  # an installed minigrad already has layers/
                    archive.write(file, inside)
        for wheel in _files(wheels, ("*.whl",)) if wheels is not None else ():
            archive.write(wheel, f"wheels/{wheel.name}")
    print(f"wrote {target}\nthe secret is in {secret}: keep it, and give it to nobody")
    return target


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(file for pattern in patterns for file in folder.glob(pattern) if file.is_file())
