"""What every test shares: measurements of the machine are kept in a folder of the suite, and bugs are raised."""

from __future__ import annotations

import os
import signal
import tempfile

import pytest
from hypothesis import HealthCheck, settings

import annvil  # noqa: F401 - before a test loads PyTorch: it says how libraries of threads are to wait

# How long an example takes says how busy the machine is, not whether the code is right. The default suite tries the
# same examples every time, so that a change is judged by what it changed; `make test-all` looks for new ones.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("explore"), derandomize=True, max_examples=50)
settings.load_profile("suite")

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # each of several workers has one core, and spins on no other's
else:  # of the controller of the workers too, which they inherit
    _CACHE = tempfile.TemporaryDirectory(prefix="annvil-suite-")
    os.environ["XDG_CACHE_HOME"] = _CACHE.name
os.environ["ANNVIL_RAISE_BUGS"] = "1"


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_interrupts():
    """Ctrl-C raises KeyboardInterrupt, also in a suite that was started in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
