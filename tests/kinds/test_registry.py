"""Kinds of data of other distributions that do not fit are left out with a reason, and everything else works."""

import os
import subprocess
import sys
from typing import Annotated

import msgspec
import pytest

from annvil.data.plugins import KindNotice, leave_out
from annvil.kinds import registry
from annvil.kinds.base import Kind, NoOptions
from annvil.kinds.commands import Command
from annvil.kinds.pictures.options import Size
from annvil.options import Option


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[int, Option("Of the nose.")] = 3


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    size: Size = None


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    length: Annotated[int, Option("Of the nose.", flag="--budget")] = 3


class Smells(Kind):
    name = "smells"


@pytest.fixture
def smells(monkeypatch):
    """A kind that comes after those there are."""
    leave_out.cache_clear()
    there, made = registry.kinds(), Smells()
    monkeypatch.setattr(registry, "all_kinds", lambda: iter((*there, made)))
    return made


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Sizes, "'smells' is left out: by the option --size it means other things than 'pictures'"),
        (Typed, "'smells' is left out: by the option --budget it means other things than every kind"),
    ],
)
def test_an_option_that_means_other_things_is_refused_naming_both(smells, monkeypatch, options, said):
    monkeypatch.setattr(Smells, "Options", options)
    with pytest.warns(KindNotice, match=said):
        assert "smells" not in [kind.name for kind in registry.kinds()]


def test_a_command_that_means_other_things_is_refused_naming_both(smells, monkeypatch):
    monkeypatch.setattr(Smells, "commands", {"augment": Command("More smells.", NoOptions, print)})
    with pytest.warns(KindNotice, match="by the command 'augment' it means other things than 'pictures'"):
        assert "smells" not in [kind.name for kind in registry.kinds()]


def test_an_option_that_means_the_same_is_shared(smells, monkeypatch):
    monkeypatch.setattr(Smells, "Options", Alike)
    assert {kind.name for kind in registry.options_of_kinds()["size"][1]} == {"pictures", "smells"}


def test_the_command_line_works_beside_a_kind_that_fails(tmp_path):
    (tmp_path / "broken_kind.py").write_text("raise OSError('no nose')\n")
    info = tmp_path / "broken_kind-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-kind\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[annvil.kinds]\nsmells = broken_kind\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    for words in (["--help"], ["samples"]):
        called = subprocess.run(
            [sys.executable, "-m", "annvil.cli", *words],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            check=False,
        )
        assert called.returncode == 0, called.stderr
        assert called.stderr == (
            "annvil: The kind of data 'smells' of broken-kind 2.5 cannot be imported and is left out: "
            "OSError: no nose. Update the package that brings it, or uninstall it.\n"
        )
        assert called.stdout
