"""Submissions that are broken, or that try to get unearned points. Each has its file, the points of 10 that it must get, and
words that its result must contain.

The assignment (test_grade.py) has an operation tanh, 4 points, and a NumPy function rnn, 6 points, 2 of them for its forward.
RIGHT solves all of it, WRONG nothing. Code that is added to WRONG may earn points only by right numbers.
"""

RIGHT = '''
import numpy as np
from minigrad import op

@op(lambda g, y: g * (1 - y * y))
def tanh(x):
    return np.tanh(x)

def rnn(xs, h0, dhs):
    hs, h = [], h0
    for x in xs:
        h = x + 0.5 * h
        hs.append(h)
    dh, dxs = np.zeros_like(h0), np.zeros_like(xs)
    for t in reversed(range(len(xs))):
        dh = dh + dhs[t]
        dxs[t] = dh
        dh = 0.5 * dh
    return {"hs": np.stack(hs), "dxs": dxs, "dh0": dh}
'''
WRONG = '''
import os, sys, json, struct, builtins, signal
import numpy as np
from minigrad import op

@op(lambda g, y: g * (1 + y * y))
def tanh(x):
    return 2 * np.tanh(x)

def rnn(xs, h0, dhs):
    return {"hs": xs + 1, "dxs": xs, "dh0": h0}
'''
RESULTS = '''json.dumps({"score": 100, "tests": [{"score": 100, "max_score": 100}]})'''
EVERYWHERE = '''
def everywhere(write):
    for folder in (".", "..", "/", "/tmp", "/autograder/results", os.path.expanduser("~")):
        for name in ("results.json", "submission.py"):
            try: write(os.path.join(folder, name))
            except Exception: pass
'''
CHANNEL = "[m for n, m in sys.modules.items() if n.endswith('worker.channel')][0]"
MAIN = "[m for n, m in sys.modules.items() if n.endswith('worker.main')][0]"


def instead(body):
    """RIGHT, but rnn does this first."""
    return RIGHT.replace("hs, h = [], h0", f"{body}\n    hs, h = [], h0").replace(
        "import numpy", "import os, sys, time\nimport numpy")


def returning(value):
    """RIGHT, but rnn returns this."""
    return RIGHT.replace('return {"hs": np.stack(hs), "dxs": dxs, "dh0": dh}', f"return {value}").replace(
        "import numpy", "import os, sys, json, builtins\nimport numpy")


class_equal = '''
class Equal:
    def __eq__(self, other): return True
    __le__ = __ge__ = __lt__ = __gt__ = __ne__ = __eq__
    def __abs__(self): return self
    def __sub__(self, other): return 0
    __rsub__ = __sub__
'''
class_lazy = '''
class Lazy(np.ndarray):
    def __array__(self, *args, **kwargs): return np.random.normal(size=self.shape)
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __sub__(self, other): return np.zeros(self.shape)
    def tobytes(self, *args): return b""
'''

TABLE = {  # name: (content, points, words)
    # -- right, and right in unusual ways
    "right": (RIGHT, 10, ""),
    "crash after it": (RIGHT + "\nraise ValueError('late')\n", 9, "ValueError: late"),
    "crash before it": ("1 / 0\n" + RIGHT, 9, "ZeroDivisionError"),
    "SystemExit at import": ("import sys\nsys.exit(0)\n" + RIGHT, 9, "SystemExit"),
    "KeyboardInterrupt at import": ("raise KeyboardInterrupt\n" + RIGHT, 9, "KeyboardInterrupt"),
    "os._exit at import": ("import os\nos._exit(0)\n" + RIGHT, 9, "line 2"),
    "a hang at import": ("while True: pass\n" + RIGHT, 9, "line 1"),
    "a future import": ("from __future__ import annotations\n" + RIGHT, 10, ""),
    "a byte order mark": (b"\xef\xbb\xbf" + RIGHT.encode(), 10, ""),
    "a guarded main": (RIGHT + "\nif __name__ == '__main__':\n    1 / 0\n", 10, ""),
    "a tuple for a dict": (returning("np.stack(hs), dxs, dh"), 10, ""),
    "a subclass of ndarray": (returning('{"hs": np.ma.array(hs), "dxs": dxs, "dh0": dh}'), 10, ""),
    "prints a lot": (instead("print('x' * 10**6)"), 10, ""),
    # -- broken
    "empty": ("", 0, "tanh is not defined"),
    "no Python": ("def (:\n", 0, "SyntaxError"),
    "not UTF-8": (b"\xff\xfe\x00x" * 10, 0, "UnicodeDecodeError"),
    "zeros": (b"\0" * 1000, 0, ""),
    "50 MB": (b"#" * (50 << 20), 0, "larger than 5 MB"),
    "deep nesting": ("x = " + "(" * 5000 + ")" * 5000, 0, ""),
    "deeper nesting": ("x = " + "-" * 2_000_000 + "1", 0, ""),
    "another thing by that name": ("tanh = 3\nrnn = 'rnn'\n", 0, "must be an operation"),
    "a class by that name": ("class tanh: pass\nclass rnn: pass\n", 0, "must be an operation"),
    "raises at call": (instead("raise ValueError('no')"), 4, "ValueError: no"),
    "SystemExit at call": (instead("sys.exit(0)"), 4, "SystemExit"),
    "KeyboardInterrupt at call": (instead("raise KeyboardInterrupt"), 4, "KeyboardInterrupt"),
    "an exception without words": (instead("class E(Exception):\n        def __str__(self): raise E\n    raise E"), 4, ""),
    "os._exit at call": (instead("os._exit(0)"), 4, "its process ended"),
    "a hang at call": (instead("while True: pass"), 4, "took too long"),
    "sleeps": (instead("time.sleep(10**6)"), 4, "took too long"),
    "deaf to signals": (instead("import signal\n    for n in range(1, 32):\n        try: signal.signal(n, signal.SIG_IGN)\n"
                                "        except Exception: pass\n    while True: pass"), 4, "took too long"),
    "prints for ever": (instead("while True: print('x' * 1000)"), 4, "took too long"),
    "100 GB": (instead("np.ones(10**10 * 100 // 8)"), 4, "MemoryError"),
    "100 GB bit by bit": (instead("a = []\n    while True: a.append(bytearray(10**7))"), 4, ""),
    "recursion": (instead("return rnn(xs, h0, dhs)"), 4, "RecursionError"),
    "a stack overflow": (instead("sys.setrecursionlimit(10**9)\n    f = lambda: f()\n    f()"), 4, ""),
    "None": (returning("None"), 4, "is a return missing?"),
    "NaN": (returning('{"hs": np.nan * xs, "dxs": np.nan * xs, "dh0": np.nan * h0}'), 4, ""),
    "wrong shapes": (returning('{"hs": dh, "dxs": dh, "dh0": dxs}'), 4, "shape"),
    "a part is missing": (returning('{"hs": np.stack(hs), "dxs": dxs}'), 8, "is a return missing?"),
    "text": (returning('{"hs": "hs", "dxs": dxs, "dh0": dh}'), 8, "no array of numbers"),
    "too many": (returning("[hs] * 10**7"), 4, "must return"),
    "a huge array": (returning('{"hs": np.zeros((5000, 5000)), "dxs": dxs, "dh0": dh}'), None, ""),
    # -- looks right to whoever compares carelessly
    "equal to everything": (class_equal + WRONG + "def rnn(*args, **kwargs): return Equal()\n", 0, ""),
    "arrays that compare as they like": (WRONG + class_lazy + '''
def rnn(xs, h0, dhs):
    return {"hs": xs.view(Lazy), "dxs": xs.view(Lazy), "dh0": h0.view(Lazy)}
''', 0, ""),
    "other numbers each time": (returning('{"hs": np.stack(hs), "dxs": dxs + np.random.normal(), "dh0": dh}'), 8, ""),
    # -- wants the points without the work
    "writes results.json": (WRONG + EVERYWHERE + f"everywhere(lambda p: open(p, 'w').write({RESULTS}))\nos._exit(0)\n", 0, ""),
    "deletes files": (WRONG + EVERYWHERE + "import shutil\neverywhere(lambda p: shutil.rmtree(os.path.dirname(p)))\n", 0, ""),
    "patches the checks": (WRONG + '''
true = lambda *args, **kwargs: True
for module in list(sys.modules.values()):
    for name in ("gradcheck", "assert_same", "judged", "judge", "allclose", "array_equal", "assert_allclose", "Check"):
        if hasattr(module, name):
            try: setattr(module, name, true)
            except Exception: pass
builtins.abs = np.abs = np.absolute = lambda x: 0 * x
np.testing.assert_allclose = np.testing.assert_array_equal = true
''', 0, ""),
    "patches numpy": (WRONG + "np.array = np.asarray = np.ascontiguousarray = lambda *a, **k: None\n", 0, ""),
    "forges answers": (WRONG + f'''
channel, main = {CHANNEL}, {MAIN}
real = channel.write
def forged(stream, message, arrays=()):
    for number in range(100):
        real(stream, {{"id": number, "ok": True, "verdict": "ok", "score": 100}}, [np.zeros(1)])
    real(stream, {{**message, "ok": True}}, arrays)
main.write = forged
''', 0, ""),
    "nonsense on the channel": (WRONG + "for fd in range(3, 20):\n    try: os.write(fd, b'[' * 10**5)\n"
                                "    except OSError: pass\n", 0, ""),
    "endless answers": (WRONG + f'''
channel, main = {CHANNEL}, {MAIN}
real = channel.write
def endless(stream, message, arrays=()):
    while True: real(stream, {{"id": -1}})
main.write = endless
''', 0, ""),
    "an endless message": (WRONG + f'''
def endless(stream, message, arrays=()):
    stream.write(struct.pack(">Q", 1 << 19))
    while True: stream.write(b" " * 1000)
{MAIN}.write = endless
''', 0, ""),
    "pickle": (WRONG + "import pickle\nfor fd in range(3, 20):\n    try: os.write(fd, pickle.dumps(print))\n"
               "    except OSError: pass\n", 0, ""),
    "closes descriptors": (WRONG + "os.closerange(0, 100)\n", 0, ""),
    "kills its parent": (WRONG + '''
for pid in (os.getppid(), 1, -1):
    try: os.kill(pid, signal.SIGKILL)
    except Exception: pass
''', 0, ""),
    "looks for the tests": (WRONG + '''
seen = ""
places = [os.walk(place) for place in ("/tmp", "/proc/1", f"/proc/{os.getppid()}", "/autograder", os.path.expanduser("~"))]
for folder, _, files in (found for place in places for found in place):
    for file in files:
        if file in ("assignment.py", "solution.py", "secret", "environ", "cmdline", "mem"):
            try: seen += open(os.path.join(folder, file), errors="replace").read(10000)
            except Exception: pass
if "REFERENCE" in seen or "s3cret" in seen:
    raise ValueError("FOUND THE TESTS")
''', 0, ""),
    "reads its parent's memory": (WRONG + '''
for pid in (os.getppid(), 1):
    try:
        open(f"/proc/{pid}/mem", "rb").read(10)
        raise ValueError("FOUND THE TESTS")
    except OSError: pass
''', None, ""),
    "forks": (WRONG + '''
try:
    while True:
        if not os.fork():
            os.setsid()
            import time; time.sleep(1000)
except OSError: pass
''', 0, ""),
    "takes back what was withheld": (WRONG + '''
import importlib, pkgutil, minigrad
modules = [minigrad]
for found in pkgutil.walk_packages(minigrad.__path__, "minigrad."):
    try: modules.append(importlib.import_module(found.name))
    except ImportError: pass
for module in modules:
    if hasattr(module, "tanh"):
        tanh = module.tanh
''', 0, ""),
    "imports the grader": ("import minigrad.course.judging\n" + WRONG, 0, "ModuleNotFoundError"),
    "asks the stand-in": (WRONG + '''
def rnn(xs, h0, dhs):
    line = [o for o in __import__("gc").get_objects() if type(o).__name__ == "Line"][0]
    line.send({"ask": "rnn", "what": "outputs", "inputs": [{"array": 0}] * 3}, [xs])
    return {"hs": line.receive()[1][0], "dxs": xs, "dh0": h0}
''', 0, ""),
    "the wrong name for an exception": (WRONG + '''
def rnn(xs, h0, dhs):
    raise type("LEAK" + str(xs.ravel()[0]).replace(".", "_").replace("-", "m"), (Exception,), {})
''', 0, ""),
}
