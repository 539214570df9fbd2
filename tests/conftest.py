"""Shared by all tests: hypothesis profiles, and a registry that forgets a test's declarations.

The default profile is the same for everybody; HYPOTHESIS_PROFILE=thorough searches for long.
"""

import compileall
import os

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
