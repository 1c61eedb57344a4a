"""Property tests draw the same examples every time, and are not failed by a machine that is busy."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "plectrum", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("plectrum")
