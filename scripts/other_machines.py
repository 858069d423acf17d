"""The test suite as other processors would run it, one setting after another; further arguments go to pytest.

python scripts/other_machines.py                        # the default suite under every setting
python scripts/other_machines.py tests/training         # these tests only
python scripts/other_machines.py --setting onednn-avx2  # one setting

PyTorch, oneDNN and MKL choose kernels by the instructions that they find, and sums come in another order in each. What
the suite promises holds under all of these settings; the last column says how long each took.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SETTINGS: dict[str, dict[str, str]] = {
    "as it is": {},
    "aten-default": {"ATEN_CPU_CAPABILITY": "default"},
    "aten-avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "onednn-avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "mkl-avx2": {"MKL_CBWR": "AVX2"},
    "one-thread": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
}
"""Environment variables by name; those of the other settings are taken away."""

_COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


def run(name: str, arguments: list[str]) -> tuple[int, dict[str, int], float]:
    """Exit status, tests by outcome, and seconds under a setting."""
    others = {variable for setting in SETTINGS.values() for variable in setting}
    environment = {key: value for key, value in os.environ.items() if key not in others} | SETTINGS[name]
    start = time.monotonic()
    command = [sys.executable, str(ROOT / "scripts" / "test.py"), *arguments]
    found = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    sys.stderr.write(found.stdout if found.returncode else "")
    last = found.stdout.strip().splitlines()[-1:] or [""]
    counts = {outcome: int(count) for count, outcome in _COUNT.findall(last[0])}
    return found.returncode, counts, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--setting", choices=SETTINGS, action="append", help="only this one; may be given several times"
    )
    asked, more = parser.parse_known_args()
    print("| setting | environment | passed | failed | minutes |\n|---|---|--:|--:|--:|", flush=True)
    worst = 0
    for name in asked.setting or SETTINGS:
        status, counts, seconds = run(name, more)
        wrong = counts.get("failed", 0) + counts.get("error", 0)
        shown = " ".join(f"{key}={value}" for key, value in SETTINGS[name].items()) or "–"
        told = str(wrong) if wrong or not status else f"ended with {status}"
        print(f"| {name} | {shown} | {counts.get('passed', 0)} | {told} | {seconds / 60:.1f} |", flush=True)
        worst = worst or status
    raise SystemExit(worst)


if __name__ == "__main__":
    main()
