"""What holds for all tests."""

import os

# Two workers of pytest share the cores: threads that spin while they wait for one another would starve the
# other's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
