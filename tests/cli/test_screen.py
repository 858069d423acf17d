"""The live table, drawn into memory."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from annvil.cli.progress import Screen, clock
from annvil.cli.tables import standings_table


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, height=50, force_terminal=True, markup=False, color_system=None)


def text(screen: Console) -> str:
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100, 140])
def test_the_table_fits_the_terminal(house, width):
    out = console(width)
    standings = house.fit("x").comparison.standings
    out.print(standings_table(standings, "roc_auc", width, recommended="boosted-trees", live=True))
    lines = text(out).splitlines()
    assert max(map(len, lines)) <= width
    assert "0.871 ± 0.021" in text(out)
    assert ("310 kB" in text(out)) == (width >= 96)
    assert ("12,345" in text(out)) == (width >= 124)
    assert [line for line in lines if "→" in line] == [line for line in lines if "Boosted" in line]


def test_the_screen_follows_a_run(house):
    out = console(100)
    with Screen(out, None, 120.0) as screen:
        house.fit("x", listener=screen)
        screen.stage("Writing the report")
        screen._live.refresh()
    for words in ("buyers.csv", "Network ensemble", "Writing the report", "1:05 of 2:00", "Fewer folds"):
        assert words in text(out), words


def test_names_of_strangers_draw_nothing(house):
    from dataclasses import replace

    out = console(100)
    (first, *_) = house.fit("x").comparison.standings
    evil = replace(first, title="\x1b[2J[red]evil[/red]\u202e", reason="\x1b]0;title\x07")
    out.print(standings_table([evil], "roc_auc", 100))
    assert "\x1b" not in text(out)
    assert "[red]evil[/red]" in text(out)


def test_clock():
    assert [clock(s) for s in (0, 42.9, 725, 3600)] == ["0:00", "0:42", "12:05", "1:00:00"]
