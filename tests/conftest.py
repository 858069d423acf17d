"""What every test shares: measurements of the machine are kept in a folder of the suite, and bugs are raised."""

from __future__ import annotations

import os
import tempfile

_CACHE = tempfile.TemporaryDirectory(prefix="annvil-suite-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name
os.environ["ANNVIL_RAISE_BUGS"] = "1"
