"""Everything that judges the project without running it: style, types, floors, workflows and forms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent

CHECKS = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
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
    for name, *arguments in CHECKS:
        given = [word for argument in arguments for word in _files(argument)]
        if subprocess.run([str(TOOLS / name), *given], cwd=ROOT).returncode:
            failed.append(" ".join([name, *arguments]))
    if failed:
        raise SystemExit("Failed: " + "; ".join(failed))


def _files(argument: str) -> list[str]:
    """The files that a pattern stands for; any other argument as it is."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(argument)) if "*" in argument else [argument]


if __name__ == "__main__":
    main()
