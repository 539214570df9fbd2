"""HYPOTHESIS_PROFILE=thorough searches for long, before a release; without it the tests take two to three minutes."""

import os

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def examples(number):
    """As many examples of a property as its cost allows; a hundred times as many in a thorough search."""
    return settings(max_examples=100 * number if THOROUGH else number)
