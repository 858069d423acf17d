from __future__ import annotations

import pytest

from annvil.training.system import hardware


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Every test has a cache of pictures of its own, empty in the beginning; the machine is measured once for all."""
    measured = hardware.cache_file()
    monkeypatch.setattr(hardware, "cache_file", lambda: measured)
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "annvil" / "images"
