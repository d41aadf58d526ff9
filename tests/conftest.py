"""Settings for every test: hypothesis profiles, and a cache of compiled kernels per user."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,  # the first example compiles
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}
settings.register_profile("full", max_examples=40, **_COMMON)
settings.register_profile("small", max_examples=6, **_COMMON)
settings.load_profile(os.environ.get("NEUROSIM_TEST_PROFILE", "full"))
