"""The assignment that `assignment new` writes: small, complete and proved. Authors change it into their own."""

from __future__ import annotations

from pathlib import Path

from .assignment import AssignmentError

HANDOUT = """# {name}: a gated step

**Goal.** Write a gradient formula by hand, and the backward pass of a step in plain NumPy.
**Read first.** What a vector-Jacobian product is. **Time.** One hour. **Points.** 10.

1. `softsign` (4 points): y = x / (1 + |x|), and the formula for its gradient. Half of the points are for the forward, half for
   the gradient.
2. `step_backward` (6 points): the step is h' = z * h + (1 - z) * x, element by element. Given dh', the gradient that arrives,
   return dh, dx, dz. Each has 2 points.

`python -m minigrad grade {name}.py --assignment . --public` shows what is right at the public inputs. The grade is made with
other inputs as well. A file that does not run to its end loses a tenth of its points.
"""
SOLUTION = '''"""{name}: fill in what is not written yet. The handout says what is asked."""

import numpy as np

from minigrad import op
from minigrad.course import todo


### BEGIN SOLUTION
@op(lambda g, x: g / (1 + abs(x)) ** 2)
### END SOLUTION
### STARTER @op(todo)
def softsign(x):
    ### BEGIN SOLUTION
    return x / (1 + np.abs(x))
    ### END SOLUTION
    ### STARTER return todo()


def step_backward(dh_new, h, x, z):
    """Gradients of h_new = z * h + (1 - z) * x."""
    ### BEGIN SOLUTION
    return dict(dh=dh_new * z, dx=dh_new * (1 - z), dz=dh_new * (h - x))
    ### END SOLUTION
    ### STARTER return dict(dh=todo(), dx=todo(), dz=todo())
'''
ASSIGNMENT = '''"""The questions: see `assignment` and `question` in minigrad/course/assignment.py."""

assignment("{name}", file="{name}.py", seconds=20)

question("softsign", points=4, op=lambda x: x / (1 + abs(x)), inputs=[(3, 4)])


def step(h, x, z):
    return z * h + (1 - z) * x


question("step_backward", points=6, function="step_backward", reference=step, inputs=[(2, 3), (2, 3), (2, 3)],
         outputs=["h_new"], takes=["dh_new", "h", "x", "z"], parts=["dh", "dx", "dz"], allow=["numpy", "minigrad"])
'''
WRONG = {
    "slope": '''# loses: softsign 2
# hint: Where is the square? Differentiate x / (1 + x) for positive x by the quotient rule.
@op(lambda g, x: g / (1 + abs(x)))
def softsign(x):
    return x / (1 + np.abs(x))
''',
    "sign": '''# loses: step_backward 2
# hint: Make z a little larger. Does h_new go towards h or towards x?
def step_backward(dh_new, h, x, z):
    return dict(dh=dh_new * z, dx=dh_new * (1 - z), dz=dh_new * (x - h))
''',
    "convention": '''# loses: step_backward 4
# hint: Copy the line of the forward next to your backward: which of the two does z multiply?
def step_backward(dh_new, h, x, z):
    return dict(dh=dh_new * (1 - z), dx=dh_new * z, dz=dh_new * (h - x))
''',
}


def new(folder: Path) -> None:
    """Write a running example into a new folder."""
    if folder.exists() and any(folder.iterdir()):
        raise AssignmentError(f"{folder} is not empty")
    name = "".join(letter if letter.isalnum() else "_" for letter in folder.resolve().name)
    (folder / "wrong").mkdir(parents=True)
    contents = {"handout.md": HANDOUT, "solution.py": SOLUTION, "assignment.py": ASSIGNMENT}
    for file, content in contents.items():
        (folder / file).write_text(content.replace("{name}", name), encoding="utf-8")
    for wrong, content in WRONG.items():
        (folder / "wrong" / f"{wrong}.py").write_text(content, encoding="utf-8")
    print(f"wrote {folder}: change it, and prove it with: python -m minigrad assignment test {folder}")
