"""Build the source distribution and the wheel into dist/ and check them.

python scripts/release.py                   # build and check
python scripts/release.py --tag v0.1.0      # and refuse when the tag is not the version
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="", help="the tag that is released")
    tag = parser.parse_args().tag
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag and tag != f"v{version}":
        raise SystemExit(f"The tag is {tag}, the version in pyproject.toml {version}.")
    if tag and f"## {version} – unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        raise SystemExit(f"CHANGELOG.md still calls {version} unreleased.")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    _run("build", "--outdir", "dist", ".")
    _run("twine", "check", "--strict", *sorted(str(path) for path in (ROOT / "dist").iterdir()))


def _run(module: str, *arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT).returncode:
        raise SystemExit(f"{module} failed.")


if __name__ == "__main__":
    main()
