"""Hypothesis profiles. The default is the same for everybody; HYPOTHESIS_PROFILE=thorough searches for long."""

import os

from hypothesis import HealthCheck, settings

# Derandomised, so the example database could only repeat what is drawn anyway.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=60, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=3000, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
