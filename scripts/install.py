"""Install Annvil and what its work needs into the environment that runs this script.

    python scripts/install.py --extras test,docs --constraints constraints/development.txt
    python scripts/install.py --only docs     # an extra's packages without Annvil and PyTorch

PyTorch first, and by itself: on Linux the plain package brings about 6 GB of CUDA along. Where the variable TORCH_INDEX
holds the address of an index of PyTorch's (pytorch.org/get-started names it, for "CPU"), PyTorch comes from there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", default="", help="extras of pyproject.toml, parted by commas")
    parser.add_argument("--only", default="", help="one extra, without Annvil itself")
    parser.add_argument("--constraints", default="", help="a file of versions")
    asked = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pip("--upgrade", "pip")  # the pip of Python 3.11 seeks versions for ten minutes where today's takes two
    limits = ["--constraint", str(ROOT / asked.constraints)] if asked.constraints else []
    if asked.only:
        pip(*limits, *project["optional-dependencies"][asked.only])
        return
    torch = next(name for name in project["dependencies"] if name.startswith("torch>"))
    index = os.environ.get("TORCH_INDEX")
    if index:
        pip("--index-url", index, *limits, torch)
    elif sys.platform == "linux" and find_spec("torch") is None and shutil.which("nvidia-smi") is None:
        print("No accelerator found. If pip fetches 6 GB of CUDA now, stop it and set TORCH_INDEX (CONTRIBUTING.md).")
    pip(*limits, "--editable", f"{ROOT}[{asked.extras}]" if asked.extras else str(ROOT))


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command).returncode:
        raise SystemExit(f"pip failed: {' '.join(command[3:])}")


if __name__ == "__main__":
    main()
