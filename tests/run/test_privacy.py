"""What a report is mailed with: no names of persons, no addresses, no path of somebody's machine."""

from __future__ import annotations

from pathlib import Path

import annvil

SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "so", "ta", "vi")


def persons(n: int) -> list[str]:
    """Names that nobody has."""
    return [f"{SYLLABLES[k % 8]}{SYLLABLES[k // 8 % 8]}{SYLLABLES[k // 64 % 8]}".title() for k in range(n)]


def test_a_report_names_no_person_and_no_place_of_a_machine(tmp_path: Path) -> None:
    folder, names = tmp_path / "home-of-somebody", persons(120)
    folder.mkdir()
    rows = [
        f"Ms. {name} {name[::-1]},{name.lower()}@example.org,{7_000_000 + 37 * k * k},{k % 7},{(k * k) % 11},"
        f"{int((k % 7) * 2 > (k * k) % 11)},{name[::-1] if k % 3 else ''}"
        for k, name in enumerate(names)
    ]
    (folder / "people.csv").write_text("\n".join(["name,mail,number,a,b,y,partner", *rows]) + "\n")
    run = annvil.fit(folder / "people.csv", target="y", budget=8, out=tmp_path / "runs", drop=["number"])
    shown = (run.folder / "report.html").read_text() + (run.folder / "run.json").read_text()
    assert "people.csv" in shown
    assert [secret for secret in ("home-of-somebody", "@example.org", "Ms. ", str(tmp_path)) if secret in shown] == []
    assert [name for name in names if name in shown or name[::-1] in shown] == []
    assert "partner" in shown  # which rows have one is an input, and no name of them is told
