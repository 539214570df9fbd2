"""Shared by all tests: hypothesis profiles, a registry that forgets a test's declarations, and tests that run meanwhile.

The default profile is the same for everybody; HYPOTHESIS_PROFILE=thorough searches for long.
"""

import compileall
import gc
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, Phase, settings

# Before NumPy is imported: the tests' matrices are so small that threads only wait for each other, where others compute, too.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from minigrad import registry  # noqa: E402
from minigrad.course.library import ROOT  # noqa: E402

# Derandomised, so the example database could only repeat what is drawn anyway. A failure is reported as it was drawn: to shrink a
# sequence of an LSTM took a quarter of an hour.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=10, database=None,
                          phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=3000, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# `minigrad check` runs files in processes that write no byte code. Where none is written at all, each would compile minigrad.
compileall.compile_dir(ROOT, quiet=2)


@pytest.fixture
def clean_registry():
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


# -- tests that only wait for other processes -----------------------------------------------------
# Those that are marked meanwhile run in another thread, beside the others; pytest asks for their results last. They use no
# fixtures, and pytest.skip() instead of skipif. What other tests could disturb, such as the registry, they leave to processes.
thread = ThreadPoolExecutor(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "meanwhile: the test runs in another thread, as it only waits for processes")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("meanwhile") is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    gc.freeze()  # tests live as long as the process; the garbage collector took 6 s of a run to go through them
    option = session.config.option
    for item in session.items if not (session.testsfailed or option.collectonly or option.setuponly) else ():
        if item.get_closest_marker("meanwhile"):
            item.meanwhile = thread.submit(item.obj, **item.callspec.params if hasattr(item, "callspec") else {})


def pytest_pyfunc_call(pyfuncitem):
    if hasattr(pyfuncitem, "meanwhile"):
        pyfuncitem.meanwhile.result()
        return True  # it was called


def pytest_unconfigure():
    thread.shutdown(cancel_futures=True)
