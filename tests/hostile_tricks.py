"""Submissions that use back doors of Python, NumPy and the system. As in hostile.py each has its file, the points of 10 that it
must get, and words that its result must contain."""

from hostile import CHANNEL, MAIN, RIGHT, WRONG, returning

FIND_LINE = '[o for o in __import__("gc").get_objects() if type(o).__name__ == "Line"][0]'


def before(body):
    """WRONG, but rnn does this first."""
    return WRONG.replace('    return {"hs"', f'    {body}\n    return {{"hs"')


def in_the_worker(body):
    """WRONG, but `body` changes each message that the worker sends."""
    return WRONG + f'''
channel, main = {CHANNEL}, {MAIN}
real, state = channel.write, {{}}
def changed(stream, message, arrays=()):
    {body}
    real(stream, message, arrays)
main.write = changed
'''


TRICKS = {  # name: (content, points, words)
    # -- looks for the tests inside its own process
    "all objects": (before('''import gc
    names = {getattr(o, "__name__", "") for o in gc.get_objects() if callable(o)}
    if names & {"Example", "judged", "load_assignment", "helper"} or any(
            isinstance(o, str) and "s3cret" in o and "FOUND" not in o for o in gc.get_objects()):
        raise ValueError("FOUND THE TESTS")'''), 0, ""),
    "the frames that called it": (before('''frame, seen = sys._getframe().f_back, ""
    while frame:
        seen, frame = seen + repr(frame.f_locals), frame.f_back
    if any(word in seen for word in ("REFERENCE", "s3cret", "hidden ")):
        raise ValueError("FOUND THE TESTS")'''), 0, ""),
    "environment and arguments": (WRONG + '''
seen = repr(dict(os.environ)) + repr(sys.argv) + repr(sys.orig_argv) + repr(sys.path)
for pid in os.listdir("/proc") if os.path.isdir("/proc") else ():
    try: seen += open(f"/proc/{pid}/environ").read()
    except OSError: pass
if "s3cret" in seen or "REFERENCE" in seen:
    raise ValueError("FOUND THE TESTS")
''', 0, ""),
    # -- changes what others see of it
    "traces the worker": (WRONG + '''
def tracer(frame, event, arg):
    if event == "return" and frame.f_code.co_name in ("parts_of_answer", "outputs_of", "answer"):
        frame.f_locals.clear()
    return tracer
sys.settrace(tracer)
''', 0, ""),
    "threads change answers after the return": (WRONG + '''
import threading
def later(a):
    while True: a[...] = np.random.normal(size=a.shape)
def rnn(xs, h0, dhs):
    a = xs.copy()
    threading.Thread(target=later, args=(a,), daemon=True).start()
    return {"hs": a, "dxs": a, "dh0": h0}
''', 0, ""),
    "a module of another class": (RIGHT + '''
import sys, types
class Module(types.ModuleType):
    def __getattribute__(self, name):
        raise KeyboardInterrupt if name in ("tanh", "rnn") else AttributeError(name)
sys.modules[__name__].__class__ = Module
''', 0, "KeyboardInterrupt"),
    # -- the system
    "C calls": (WRONG + '''
import ctypes
libc = ctypes.CDLL(None)
libc.reboot(0x1234567)
libc.unshare(0x10000000)
libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
for pid in (os.getppid(), 1):
    libc.ptrace(16, pid, 0, 0)
    libc.kill(pid, 19)  # stop
''', 0, ""),
    "results through descriptors": (WRONG + '''
for place in (*(f"self/fd/{fd}/.." for fd in range(64)), "self/cwd", "self/root", "1/cwd", "1/root"):
    try: open(f"/proc/{place}/results.json", "w").write('{"score": 100}')
    except OSError: pass
''', 0, ""),
    "another program in its place": (WRONG + "os.execv('/bin/sh', ['sh', '-c', 'while true; do echo x >&3; done'])\n", 0, ""),
    "links in its folder": (RIGHT + '''
import os
os.remove("submission.py")
os.symlink("/etc/passwd", "submission.py")
os.symlink("/etc", "results.json")
''', 10, ""),
    "folders in folders": (RIGHT + '''
import os
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
''', 10, ""),
    "a folder that nobody may open": (RIGHT + "\nimport os\nos.makedirs('a/b')\nos.chmod('a', 0)\n", 10, ""),
    "2,000 files": (RIGHT + "\nfor i in range(2_000):\n    open(f'{i}', 'w').close()\n", 10, ""),
    # -- the channel
    "a line that tells": (in_the_worker('''if "error" in message:
        message["error"]["line"] = 77777777 * 10 ** 2000''') + "def rnn(xs, h0, dhs): raise ValueError\n", 0, "ValueError"),
    "asks and never reads": (before(f'''line = {FIND_LINE}
    while True: line.send({{"ask": "tanh", "what": "outputs", "inputs": [{{"array": 0}}]}}, [np.zeros(10_000)])'''), 0,
                             "it asked without reading the answers"),
    "says for ever where it is": (before(f"line = {FIND_LINE}\n    while True: line.send({{'at': 1, 'line': 2}})"), 0,
                                  "took too long"),
    "names that are no text": (in_the_worker('''if "error" in message:
        message["error"] = {"type": "\\ud800", "text": "\\ud800\\x00\\x1b[2J", "line": -1}
    if "parts" in message:
        message.update(parts={"hs": "\\ud800", "dxs": -1, "dh0": True}, form=["dict"])'''), 0, "another form"),
    # -- numbers of all kinds
    "more numbers than memory": (returning('{"hs": np.lib.stride_tricks.as_strided(np.zeros(1), (10 ** 6, 10 ** 6), (0, 0)), '
                                           '"dxs": dxs, "dh0": dh}'), 4, "MemoryError"),
    "an array that changes when it is copied": (returning('{"hs": np.stack(hs), "dxs": dxs.view(B), "dh0": dh}') + '''
class B(np.ndarray):
    def __array_finalize__(self, other): self[...] = 0
''', 8, ""),
    "float128": (returning('{"hs": np.stack(hs).astype(np.longdouble), "dxs": dxs.astype(np.longdouble), "dh0": dh}'), 10, ""),
    "float16": (returning('{"hs": np.stack(hs).astype(np.float16), "dxs": dxs, "dh0": dh}'), 8, "differs at index"),
    "payloads in NaN": (returning('{"hs": np.stack(hs), "dxs": dxs, '
                                  '"dh0": np.frombuffer(b"LEAK\\x00\\x00\\xf8\\x7f" * h0.size)}'), 8, "NaN"),
    "minus zero": (returning('{"hs": np.stack(hs) + -0.0, "dxs": dxs + -0.0, "dh0": dh}'), 10, ""),
    "objects, letters, complex numbers": (returning('{"hs": np.stack(hs).astype(object), "dxs": dxs.astype("U"), '
                                                    '"dh0": dh + 0j}'), 4, "no array of numbers"),
    "giant integers": (returning('{"hs": 10 ** 400, "dxs": [[10 ** 4000]], "dh0": np.array([2 ** 63], "u8")}'), 4, ""),
    "a list in a list in a list": (returning('{"hs": __import__("functools").reduce(lambda a, _: [a], range(10 ** 5), 0), '
                                             '"dxs": dxs, "dh0": dh}'), 4, ""),
    "a dict that ends the process": (returning('type("D", (dict,), {"__contains__": lambda *_: os._exit(0)})()'), 4,
                                     "its process ended"),
}
