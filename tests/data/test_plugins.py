"""Kinds of data are found without a list of their names."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest

from annvil.data import plugins
from annvil.data.plugins import KindNotice, all_kinds, kind_named
from annvil.errors import MachineError


@pytest.fixture
def installed(monkeypatch):
    """Entry points that another distribution declares, found anew."""

    def install(*points):
        monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "annvil.kinds" else ())
        plugins._homes.cache_clear()

    yield install
    plugins._homes.cache_clear()


def test_kinds_that_come_along_are_found_by_their_packages():
    names = [kind.name for kind in all_kinds()]
    assert {"tables", "pictures"} <= set(names)
    assert names == sorted(names)
    assert all(kind_named(name).name == name for name in names)


OURS = ["forecasts", "pictures", "series", "sound", "tables"]


def test_a_kind_of_another_distribution_is_a_module_or_an_object(installed, monkeypatch):
    module = ModuleType("smells")
    module.KIND = SimpleNamespace(name="smells")
    monkeypatch.setitem(sys.modules, "smells", module)
    installed(
        EntryPoint("smells", "smells", "annvil.kinds"),
        EntryPoint("odours", "smells:KIND", "annvil.kinds"),
        EntryPoint("tables", "smells", "annvil.kinds"),
        EntryPoint("broken", "there_is_no_such_module", "annvil.kinds"),  # loaded when asked for, not before
    )
    assert kind_named("smells") is kind_named("odours") is module.KIND
    assert kind_named("tables").name == "tables"  # what comes along is not replaced


def test_a_kind_that_is_not_installed_is_named_and_so_are_those_that_are(installed):
    installed()
    with pytest.raises(
        MachineError, match=r"'smells' is not installed: .* forecasts, pictures, series, sound, tables\."
    ):
        kind_named("smells")


def test_a_kind_that_cannot_be_imported_is_left_out_and_named_once(installed, monkeypatch):
    def load(point):
        tried.append(point.name)
        raise RuntimeError("no nose\nat all")

    tried = []
    monkeypatch.setattr(plugins.EntryPoint, "load", load)
    plugins.leave_out.cache_clear()
    plugins._tried.cache_clear()
    installed(EntryPoint("smells", "smells", "annvil.kinds"))
    with pytest.warns(
        KindNotice, match=r"'smells' cannot be imported and is left out: RuntimeError: no nose. "
    ) as said:
        assert [kind.name for kind in all_kinds()] == [kind.name for kind in all_kinds()] == OURS
    assert len(said) == 1
    with pytest.raises(MachineError, match=r"'smells' cannot be imported .*: RuntimeError: no nose"):
        kind_named("smells")
    assert tried == ["smells"]
