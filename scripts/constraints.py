"""Write constraints/development.txt: the version of every package that Annvil and its extras use in this environment.

Run it in an environment in which the suite passes. uv's lock would name indexes, and it does not see builds of PyTorch
that lie on a disk; a list of versions serves pip, uv and every index alike.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("test", "docs")
HEAD = """\
# Versions with which the suite passed, Linux, CPython 3.11. Made by `make constraints`; not edited by hand.
# pip install --constraint constraints/development.txt --editable ".[test,docs]"
"""


def main() -> None:
    versions: dict[str, str] = {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras_of = project["optional-dependencies"]
    todo = [
        Requirement(text) for text in (*project["dependencies"], *(t for extra in EXTRAS for t in extras_of[extra]))
    ]
    done = set()
    while todo:
        requirement = todo.pop()
        if requirement.name == project["name"]:  # an extra made of extras; what is installed may be an older state
            todo += [Requirement(text) for extra in requirement.extras for text in extras_of[extra]]
            continue
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of another system, by a marker that an extra of an extra hides
        versions[name] = Version(found.version).public
        for text in found.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                todo.append(needed)
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    (ROOT / "constraints" / "development.txt").write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"{len(lines)} versions")


if __name__ == "__main__":
    main()
