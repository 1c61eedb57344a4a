"""What holds for all tests."""

import os

from hypothesis import HealthCheck, settings

# Two workers of pytest share the cores: threads that spin while they wait for one another would starve the
# other's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Property tests draw the same examples every time, and are not failed by a machine that is busy.
settings.register_profile(
    "plectrum", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("plectrum")
