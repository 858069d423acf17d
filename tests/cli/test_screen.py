"""The live table, drawn into memory."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from annvil.cli.progress import Screen, clock
from annvil.cli.steps import ladder
from annvil.cli.tables import standings_table
from annvil.comparison.race.decisions import Unit
from annvil.comparison.request import Moment

from .conftest import POSTERIOR, VERDICT, standing


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
    assert ("▰▰▱▱" in text(out)) == (width >= 60)
    assert ("310 kB" in text(out)) == (width >= 106)
    assert ("12,345" in text(out)) == (width >= 134)
    assert [line for line in lines if "→" in line] == [line for line in lines if "Boosted" in line]


def test_the_screen_follows_a_run(house):
    out = console(100)
    with Screen(out, None, 120.0) as screen:
        house.fit("x", listener=screen)
        screen.stage("Writing the report")
        screen._live.refresh()
    shown = ("buyers.csv", "Network ensemble", "Writing the report", "1:05 of 2:00", "Fewer folds", "▰▰▱▱")
    for words in (*shown, "network 71% · equal 22% · simple 7%"):
        assert words in text(out), words


def test_the_screen_says_what_is_done_now_and_why_and_when_it_ends(house):
    out = console(100)
    moments = []
    with Screen(out, "roc_auc", 120.0) as screen:
        screen.standings(house.fit("x").comparison.standings, 41.0)
        for verdict, likely in ((VERDICT, None), (VERDICT, 60.0), (replace(VERDICT, unfinished="simple"), None)):
            unit = Unit("fit", "network-ensemble", 2)
            screen.moment(
                Moment(POSTERIOR, unit, "may change the answer", 20.0, 41.0, "begun", 0.0, verdict, 108.0, likely)
            )
            moments.append(drawn(screen))
        screen.stage("Learning curves")
        screen.moment(Moment(POSTERIOR, unit, "may change the answer", 20.0, 50.0, "complete", 9.0))
        screen.stage("Writing the report")
        after = drawn(screen)
    assert (
        "Now     Network ensemble, step 3 of 4: 8 candidates, 5 inner folds (may change the answer; about" in moments[0]
    )
    assert "So far  network 71% · equal 22% · simple 7%\n" in moments[0]
    assert "Race    ends by 1:48 at the latest, then the model that ships is fitted" in moments[0]
    assert "Race    the answer is certain: it may end about 1:00, by 1:48 at the latest" in moments[1]
    assert "simple 7%; the simple side may still improve" in moments[2]
    assert "Now" not in after
    assert "So far  network 71%" in after


def drawn(screen: Screen) -> str:
    """What stands on the screen, without spaces at line ends."""
    out = console(100)
    out.print(screen._draw())
    return "\n".join(line.rstrip() for line in text(out).splitlines()) + "\n"


def test_a_terminal_of_ascii_gets_a_ladder_of_ascii(house):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    out = Console(file=stream, width=100, force_terminal=True, color_system=None)
    with Screen(out, "roc_auc", 120.0) as screen:
        house.fit("x", listener=screen)
        made = drawn(screen)
        stream.flush()
    stream.seek(0)
    assert "##.." in (told := stream.read())
    assert "0.871 +- 0.021" in told
    assert "network 71% | equal 22% | simple 7%" in made
    assert not set("▰▱→") & set(made)


def test_long_ladders_are_counted():
    row = standing("cnn", "Convolutional network", 0.9, rungs=("a step",) * 12)
    assert ladder(row) == "2/12"
    assert ladder(standing("linear", "Linear", None, rungs=())) == ""
    assert ladder(standing("linear", "Linear", 0.9)) == "▰▰▱▱"


def test_only_who_made_two_steps_is_said_to_improve_still():
    two = standing("net", "Net", 0.9, still_improves=True)
    out = console(100)
    out.print(standings_table([two, replace(two, rung=0, rung_means=(0.9,))], "roc_auc", 100))
    assert [line.split()[-2:] for line in text(out).splitlines()[2:]] == [["still", "improves"], ["may", "improve"]]


def test_names_of_strangers_draw_nothing(house):
    out = console(100)
    (first, *_) = house.fit("x").comparison.standings
    evil = replace(first, title="\x1b[2J[red]evil[/red]\u202e", reason="\x1b]0;title\x07")
    out.print(standings_table([evil], "roc_auc", 100))
    assert "\x1b" not in text(out)
    assert "[red]evil[/red]" in text(out)


def test_clock():
    assert [clock(s) for s in (0, 42.9, 725, 3600)] == ["0:00", "0:42", "12:05", "1:00:00"]
