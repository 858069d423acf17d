"""What is said of a race while it runs: who makes which step of effort, why, what it brought, what is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from annvil.text import quantities as wording

if TYPE_CHECKING:
    from annvil.comparison.race.decisions import Unit
    from annvil.comparison.request import Moment
    from annvil.comparison.results import Posterior, Standing

WIDEST_LADDER = 8
"""Longer ladders are told as ``7/12``: columns are few."""


def is_plain(console: Console) -> bool:
    """Whether it can show ASCII only."""
    return not console.encoding.lower().startswith("utf")


def ladder(standing: Standing, *, plain: bool = False) -> str:
    """How far it came: ``"▰▰▱▱"`` are two of four steps complete; ``plain`` for terminals without such signs.

    Nothing of a contender that does not compete.
    """
    done, steps = len(standing.rung_means), len(standing.rungs)
    if steps > WIDEST_LADDER:
        return f"{done}/{steps}"
    full, empty = ("#", ".") if plain else ("▰", "▱")
    return full * done + empty * (steps - done)


def chances(posterior: Posterior | None, *, plain: bool = False) -> str:
    """``"network 71% · equal 22% · simple 7%"``; nothing before both sides are known."""
    if posterior is None:
        return ""
    sides = (("network", posterior.p_first), ("equal", posterior.p_equal), ("simple", posterior.p_second))
    return (" | " if plain else " · ").join(f"{name} {wording.probability(p, brief=True)}" for name, p in sides)


def step(standing: Standing | None, rung: int) -> str:
    """``"step 2 of 5"``."""
    of = f" of {len(standing.rungs)}" if standing is not None and standing.rungs else ""
    return f"step {rung + 1}{of}"


def judged_step(standing: Standing) -> str:
    """``"step 2 of 5"``: the highest complete one; a dash where there is none."""
    return "–" if standing.rung is None else step(standing, standing.rung)


def gain(standing: Standing, rung: int, metric: str) -> float | None:
    """How much better a step is than the one before it, in units of the metric; None of a first one."""
    from annvil.tasks.metric_index import METRICS

    if not 0 < rung < len(standing.rung_means) or metric not in METRICS:
        return None
    return METRICS[metric].gain(standing.rung_means[rung], standing.rung_means[rung - 1])


class Board:
    """The table as it was last told, and pieces of work in its words."""

    def __init__(self) -> None:
        self.rows: dict[str, Standing] = {}

    def see(self, standings: tuple[Standing, ...]) -> None:
        """The table as it is now."""
        self.rows = {standing.contender: standing for standing in standings}

    def title(self, contender: str) -> str:
        """Its name for people."""
        return self.rows[contender].title if contender in self.rows else contender

    def work(self, unit: Unit, *, effort: bool = True) -> str:
        """``"Dense network, step 2 of 5: 4 candidates, one holdout"``; the ``effort`` may be left out."""
        title, row = self.title(unit.contender), self.rows.get(unit.contender)
        if unit.what == "curve":
            return f"Learning curve of {title}"
        if unit.what == "ablation":
            return f"{title}, with and without {unit.step.partition('-')[0]}"
        if unit.what == "ship":
            return f"What ships: {title}, {step(row, unit.rung)}, {unit.step}"
        said = f"{title}, {step(row, unit.rung)}" + (f", repeat {unit.repeat + 1}" if unit.repeat else "")
        what = row.rungs[unit.rung] if effort and row is not None and unit.rung < len(row.rungs) else ""
        return f"{said}: {what}" if what else said

    def why(self, moment: Moment) -> str:
        """The reason, and the seconds that it is expected to take."""
        if moment.unit is not None and moment.unit.what == "ship":
            return f"fitted in about {wording.seconds(moment.expected_seconds)}"
        about = f"about {wording.seconds(moment.expected_seconds)}" if moment.expected_seconds else ""
        return "; ".join(part for part in (moment.why, about) if part)

    def result(self, moment: Moment, metric: str) -> str:
        """What an ended piece of work brought, in half a sentence: its score, and the gain over the step before."""
        unit, took = moment.unit, wording.seconds(moment.seconds)
        row = None if unit is None else self.rows.get(unit.contender)
        if unit is None or row is None or moment.ending != "complete":
            reason = f" ({row.reason})" if row is not None and row.reason else ""
            return f"{moment.ending} after {took}{reason}"
        if unit.what != "fit" or metric not in row.means:
            return f"done in {took}"
        parts = [self.score(row, metric), *([self._gain(row, unit.rung, metric)] if not unit.repeat else [])]
        return ", ".join(filter(None, (*parts, f"in {took}")))

    def score(self, row: Standing, metric: str) -> str:
        """``"ROC AUC 0.871 ± 0.021"``."""
        from annvil.tasks.metric_index import METRICS

        asked = METRICS[metric]
        return f"{asked.title} {asked.shows_mean(row.means[metric], row.spread(metric))}"

    def _gain(self, row: Standing, rung: int, metric: str) -> str:
        from annvil.tasks.metric_index import METRICS

        difference = gain(row, rung, metric)
        if difference is None:
            return ""
        much = wording.told(METRICS[metric], abs(difference))
        return f"{much} {'better' if difference >= 0 else 'worse'} than the step before"


def ending(moment: Moment, clock: str, likely: str) -> str:
    """When the race is over, where that is known; ``clock`` and ``likely`` are the two times in words."""
    if moment.latest_end is None:
        return ""
    if moment.likely_end is None or likely == clock:
        return f"ends by {clock} at the latest, then the model that ships is fitted"
    return f"the answer is certain: it may end about {likely}, by {clock} at the latest"
