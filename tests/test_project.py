"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
SHIPPED = [
    *PROJECT["dependencies"],
    *(text for name in ("excel", "keras", "optuna", "hub", "tensorboard", "sound") for text in OPTIONAL[name]),
]


def pinned(name):
    lines = (ROOT / "constraints" / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_floor_is_what_pyproject_promises():
    bounds = {
        canonicalize_name(r.name): min(s.version for s in r.specifier if s.operator == ">=")
        for r in map(Requirement, SHIPPED)
    }
    floor = pinned("floor.txt")
    assert set(floor) == set(bounds)
    for name, bound in bounds.items():
        assert Version(floor[name]).release[: len(Version(bound).release)] == Version(bound).release, name


def test_the_versions_for_development_are_allowed():
    versions = pinned("development.txt")
    for requirement in map(Requirement, [*SHIPPED, *OPTIONAL["test"], *OPTIONAL["docs"]]):
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_the_version_is_the_same_everywhere():
    import annvil

    assert annvil.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_run_what_developers_run(workflow):
    text = workflow.read_text(encoding="utf-8")
    for script in re.findall(r"python (scripts/\S+)", text):
        assert (ROOT / script).exists(), script
    assert re.findall(r"^ +- (?:run|  run): (?!python scripts/)", text, re.MULTILINE) == []
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
