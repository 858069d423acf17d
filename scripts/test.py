"""The test suite, two processes side by side; further arguments go to pytest.

python scripts/test.py                      # without the slow tests
python scripts/test.py --all                # with them, and with generated examples that are new each time
python scripts/test.py --capability avx2    # as on a processor that has AVX2 only
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the slow tests too, and generated examples anew")
    parser.add_argument("--capability", default="", help="the instructions that PyTorch may use: default, avx2, avx512")
    asked, more = parser.parse_known_args()
    # Compiled once, and not again by every process that a test starts; .gitignore knows __pycache__.
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="")
    if asked.capability:
        environment["ATEN_CPU_CAPABILITY"] = asked.capability
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "loadfile",
        *(["-m", "", "--hypothesis-profile", "explore"] if asked.all else []),
        *more,
    ]
    raise SystemExit(subprocess.run(command, cwd=ROOT, env=environment).returncode)


if __name__ == "__main__":
    main()
