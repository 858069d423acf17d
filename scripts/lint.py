"""Everything that judges the project without running it: style, types, floors, workflows and forms."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent

CHECKS = [
    ["mypy"],  # takes longest, so it begins first
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["lint-imports", "--no-cache"],
    ["zizmor", "--offline", "--quiet", "--no-progress", "--pedantic", "."],
    ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *(".github/workflows/*.yml",)],
    ["check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"],
    ["check-jsonschema", "--builtin-schema", "vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"],
    ["check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *(".github/ISSUE_TEMPLATE/[!c]*.yml",)],
    ["check-jsonschema", "--builtin-schema", "vendor.citation-file-format", "CITATION.cff"],
]


def main() -> None:
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for check, done in zip(CHECKS, pool.map(_run, CHECKS), strict=True):
            print(done.stdout, end="")
            if done.returncode:
                failed.append(" ".join(check))
    if failed:
        raise SystemExit("Failed: " + "; ".join(failed))


def _run(check: list[str]) -> subprocess.CompletedProcess[str]:
    name, *arguments = check
    given = [word for argument in arguments for word in _files(argument)]
    command = [str(TOOLS / name), *given]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _files(argument: str) -> list[str]:
    """The files that a pattern stands for; any other argument as it is."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(argument)) if "*" in argument else [argument]


if __name__ == "__main__":
    main()
