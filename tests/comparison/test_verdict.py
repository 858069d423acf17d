"""The five verdicts, the recommendation, and the sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.comparison.contrast import pair, side
from annvil.comparison.evidence import Evidence
from annvil.comparison.recommendation import cheapest, reach, recommend, relative_costs
from annvil.comparison.results import Cost, Crossing, FoldResult, LearningCurve, Plan, Standing, Verdict
from annvil.comparison.verdict import find, judge
from annvil.errors import OutOfTime
from annvil.tasks.metric_index import METRICS
from annvil.text.phrases import inside, is_plural, named
from annvil.text.quantities import probability
from annvil.text.words import Words

FAMILIES = {
    "dummy": "dummy",
    "linear": "linear",
    "trees": "trees",
    "net": "network",
    "wide": "network",
    "team": "team",
}
TITLES = {
    "dummy": "Baseline",
    "linear": "Linear model",
    "trees": "Boosted trees",
    "net": "Dense network",
    "wide": "TabM ensemble",
    "team": "Team of models",
}
COSTS = {
    "dummy": Cost(0.001, 0.001, 1, 2, 500, 0.02),
    "linear": Cost(0.1, 0.1, 8, 20, 5_000, 0.05),
    "trees": Cost(2.0, 2.0, 5, 9_000, 300_000, 0.1),
    "net": Cost(5.0, 9.0, 5, 40_000, 800_000, 0.4),
    "wide": Cost(9.0, 17.0, 5, 90_000, 2_000_000, 0.9),
    "team": Cost(16.0, 28.0, 10, 140_000, 3_100_000, 1.4),
}
PLAN = Plan(120.0, 1000, 5, 5, "random", (), 0)


def evidence(
    means: dict[str, float],
    noise: float = 0.01,
    inner: dict[str, float] | None = None,
    metric: str = "roc_auc",
    **changes: Any,
) -> Evidence:
    """Scores of 5 x 5 folds around the means, with noise of their own and noise common to a fold."""
    folds, standings = [], []
    for place, (name, mean) in enumerate(means.items()):
        rng, common = np.random.default_rng(place), np.random.default_rng(99)
        scores = []
        for number in range(25):
            own, shared = noise * rng.normal(), 0.02 * common.normal()
            score = mean + (0.0 if name == "dummy" else own + shared)
            scores.append(score)
            job = f"repeat-{number // 5}-fold-{number % 5}"
            inner_score = (inner or means)[name]
            folds.append(
                FoldResult(
                    name, job, number // 5, number % 5, 800, 200, {metric: score}, inner_score, {}, "", (), 1, 1, 1
                )
            )
        standings.append(
            Standing(
                name,
                TITLES[name],
                FAMILIES[name],  # type: ignore[arg-type]
                "finished",
                "",
                tuple(scores[:5]),  # the table shows the folds that all have
                {metric: float(np.mean(scores[:5]))},
                {metric: float(np.std(scores[:5], ddof=1))},
                "",
                COSTS[name],
            )
        )
    made = Evidence(
        metric=METRICS[metric],
        worth=0.01,
        confidence=0.95,
        plan=PLAN,
        standings=tuple(standings),
        folds=tuple(folds),
        curves=(),
        crossing=None,
        base_rate="On tables like this …",
        time_ordered=False,
    )
    return replace(made, **changes)


def text(verdict: Verdict) -> str:
    return " ".join((verdict.headline, *verdict.sentences, *verdict.costs, verdict.recommended_because))


def test_a_network_that_wins_by_a_margin() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9}))
    assert verdict.kind == "network"
    assert verdict.recommended == "net"
    assert verdict.headline.startswith("A network is worth it. The dense network beats boosted trees by ")
    assert "the chance that the gain is more than 0.01 is " in verdict.headline
    assert verdict.posterior is not None
    assert verdict.posterior.p_first >= 0.95
    assert not verdict.network_ruled_out


def test_how_sure_it_is_that_anything_was_learnt() -> None:
    sure = judge(evidence({"dummy": 0.5, "linear": 0.8, "net": 0.9}))
    expected = (
        "The baseline, which ignores the inputs, scores 0.500; the chance that the dense network beats that by "
        "more than 0.01"
    )
    assert f"{expected} in ROC AUC is more than 99.9%." in sure.sentences
    unsure = judge(evidence({"dummy": 0.5, "linear": 0.53, "net": 0.5}, noise=0.08))
    assert not any("99" in sentence for sentence in unsure.sentences if sentence.startswith("Guessing"))


def test_a_simple_model_that_wins() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85}))
    assert (verdict.kind, verdict.recommended, verdict.network_ruled_out) == ("simple", "trees", True)
    assert verdict.headline.startswith("No network needed. Boosted trees beat the dense network by ")


def test_equal_sides_ship_the_cheapest() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.9, "trees": 0.9005, "net": 0.901}, noise=0.0003))
    assert (verdict.kind, verdict.recommended, verdict.network_ruled_out) == ("equal", "linear", True)
    assert "practically equal" in verdict.headline
    assert (
        "and a simpler kind of model whose cost (latency, size and fitting together) is lower, or counts as equal "
        "(within 5 times)." in verdict.recommended_because
    )


def test_cannot_tell_says_how_many_rows_would() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.88, "net": 0.9}, noise=0.04))
    assert verdict.kind == "cannot tell"
    assert verdict.headline.startswith("Cannot tell yet whether a network is worth it: with 1,000 rows")
    assert verdict.rows_that_would_tell is not None
    assert f"{verdict.rows_that_would_tell:,} rows" in text(verdict)
    assert verdict.recommended == "net"  # two points better on average is more than one


def test_undecided_between_simple_and_equal_still_needs_no_network() -> None:
    verdict = judge(evidence({"dummy": 0.5, "trees": 0.9, "net": 0.89}, noise=0.01))
    assert (verdict.kind, verdict.network_ruled_out, verdict.recommended) == ("no network", True, "trees")
    assert verdict.headline.startswith("No network needed. The chance that one is better than boosted trees")


def test_inputs_that_say_nothing() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.502, "trees": 0.498, "net": 0.503}, noise=0.02))
    assert verdict.recommended == "dummy"
    assert verdict.headline.startswith("The inputs do not predict the target")
    assert verdict.kind != "network"


def test_what_might_be_chance_is_no_reason_for_a_network() -> None:
    # Better than everything else with 98%, and that is all.
    made = evidence({"dummy": 0.5, "linear": 0.46, "trees": 0.44, "net": 0.56}, noise=0.03)
    verdict = judge(made)
    assert verdict.posterior is not None
    assert verdict.posterior.p_first >= 0.95
    assert (verdict.kind, verdict.rows_that_would_tell) == ("cannot tell", None)
    assert verdict.headline.startswith("Cannot tell yet: the dense network seems better than")
    assert "more than 99.9%" not in verdict.headline
    assert verdict.recommended == "dummy"
    assert "that a network does is not certain" in verdict.recommended_because


def test_test_rows_choose_nobody() -> None:
    # The wide network scores best on test rows, but inner validation preferred the other one.
    inner = {"dummy": 0.5, "trees": 0.85, "net": 0.9, "wide": 0.8}
    verdict = judge(evidence({"dummy": 0.5, "trees": 0.85, "net": 0.85, "wide": 0.95}, inner=inner))
    assert verdict.network is not None
    assert set(verdict.network.contenders) == {"net"}
    assert verdict.network.mean < 0.9


def test_errors_turn_round() -> None:
    means = {"dummy": 100.0, "linear": 50.0, "trees": 40.0, "net": 30.0}
    verdict = judge(evidence(means, noise=0.5, metric="rmse", worth=1.0))
    assert verdict.kind == "network"
    assert verdict.posterior is not None
    assert verdict.posterior.mean == pytest.approx(10.0, abs=0.5)
    assert "in RMSE" in verdict.headline
    assert "points" not in text(verdict)
    made = evidence(means, metric="rmse")
    paired = pair(made.folds, made.standings, METRICS["rmse"])
    names = ["dummy", "linear", "trees"]
    simple = side("simple", names, paired.common(names), paired)
    assert simple is not None
    assert set(simple.contenders) == {"trees"}


def test_repeats_that_both_leaders_have_are_judged() -> None:
    whole = evidence({"dummy": 0.5, "trees": 0.85, "net": 0.9, "wide": 0.89})
    # Repeats are bought for the best of each side: the dense network has two, the trees three, all others one.
    most = {"net": 2, "trees": 3}
    folds = tuple(f for f in whole.folds if f.repeat < most.get(f.contender, 1))
    verdict = judge(replace(whole, folds=folds))
    assert verdict.posterior is not None
    assert verdict.posterior.df == 9
    assert verdict.network is not None
    assert set(verdict.network.contenders) == {"net"}
    assert "Network side vs simple side on the same 10 test folds, ROC AUC: " in text(verdict)


def test_one_fold_has_no_certainty() -> None:
    whole = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.95, "net": 0.85})
    one = tuple(f for f in whole.folds if f.contender in ("dummy", "linear") and (f.repeat, f.fold) == (0, 0))
    verdict = judge(replace(whole, folds=one))
    assert verdict.posterior is None
    assert verdict.recommended == "linear"
    assert "do not predict" not in verdict.headline


def test_who_was_cut_short_is_named() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85})
    late = Standing("wide", TITLES["wide"], "network", "cut short", "no time was left for it", (), {}, {}, "", None)
    verdict = judge(replace(made, standings=(*made.standings, late)))
    assert verdict.kind == "simple"
    assert verdict.sentences[-1] == "Not scored, for lack of time: TabM ensemble."
    assert "clock" not in text(judge(made))


# -- who still improves has not lost -----------------------------------------------------------------------------------


def test_a_network_that_still_improves_has_not_lost() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85})
    verdict = judge(replace(made, gains={"net": 0.04}))
    assert (verdict.kind, verdict.unfinished, verdict.network_ruled_out) == ("cannot tell", "network", False)
    assert verdict.rows_that_would_tell is None  # not rows, time
    assert verdict.headline.startswith(
        "Not enough time to tell: the dense network still improves with longer training, and so far it is "
    )
    assert verdict.headline.endswith(" behind boosted trees. A larger budget would go on from here.")
    assert verdict.posterior == judge(made).posterior
    assert verdict.recommended == "trees"


def test_a_side_has_not_lost_before_its_central_contender_was_scored() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85})
    late = Standing("wide", TITLES["wide"], "network", "cut short", "no time was left for it", (), {}, {}, "", None)
    made = replace(made, standings=(*made.standings, late))
    verdict = judge(replace(made, untried=("wide",)))
    assert (judge(made).kind, verdict.kind, verdict.unfinished) == ("simple", "cannot tell", "network")
    assert verdict.headline.startswith("Not enough time to tell: the TabM ensemble was not scored; so far the dense ")
    assert verdict.headline.endswith(" behind boosted trees. A larger budget would go on from here.")
    forest = replace(late, contender="forest", title="Extra trees", family="trees")
    of_winner = replace(made, standings=(*made.standings, forest), untried=("forest",))
    assert judge(of_winner).kind == "simple"  # who wins anyway need not be complete


@pytest.mark.parametrize(("best", "kind"), [(1.0, "equal"), (0.9999, "equal"), (0.95, "cannot tell")])
def test_where_nobody_could_be_better_nobody_is_waited_for(best: float, kind: str) -> None:
    """Both sides are (nearly) perfect: boosted trees that had no time could not turn the answer; below, they could."""
    made = evidence({"dummy": 0.5, "linear": best, "net": best})
    known = {"dummy": 0.5, "linear": best, "net": best}
    folds = tuple(replace(fold, scores={"roc_auc": known[fold.contender]}) for fold in made.folds)
    late = Standing("trees", TITLES["trees"], "trees", "cut short", "no time was left for it", (), {}, {}, "", None)
    verdict = judge(replace(made, folds=folds, standings=(*made.standings, late), untried=("trees",)))
    assert verdict.kind == kind
    assert "0 in ROC AUC behind" not in verdict.headline
    assert ("level with" in verdict.headline) == (kind == "cannot tell")


def test_that_nothing_can_be_learnt_is_not_said_before_the_central_contenders_were_scored() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.501})
    assert judge(made).headline.startswith("The inputs do not predict the target")
    late = [
        Standing(name, TITLES[name], FAMILIES[name], "cut short", "1 of 5 folds was fitted", (), {}, {}, "", None)  # type: ignore[arg-type]
        for name in ("trees", "net")
    ]
    verdict = judge(replace(made, standings=(*made.standings, *late), untried=("trees", "net")))
    assert verdict.headline.startswith(
        "Not enough time to tell whether the inputs predict the target: boosted trees and the dense network were not "
    )
    assert "do not predict" not in text(verdict)


def test_a_simple_side_that_still_improves_has_not_lost_either() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9})
    verdict = judge(replace(made, gains={"trees": 0.04}))
    assert (verdict.kind, verdict.unfinished) == ("cannot tell", "simple")
    assert verdict.headline.startswith("Not enough time to tell: boosted trees still improve with longer training")
    assert " behind the dense network. " in verdict.headline
    assert judge(replace(made, gains={"net": 0.04})).kind == "network"  # who wins may improve as it likes


@pytest.mark.parametrize(("who", "unfinished"), [("net", "network"), ("trees", "simple")])
def test_equal_sides_of_which_one_still_improves_are_open(who: str, unfinished: str) -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9005, "net": 0.901}, noise=0.003)
    assert judge(made).kind == "equal"
    verdict = judge(replace(made, gains={who: 0.02}))
    assert (verdict.kind, verdict.unfinished) == ("cannot tell", unfinished)


@pytest.mark.parametrize(
    ("gain", "why"),
    [
        (0.02, "two points do not close a gap of five by more than the worth"),
        (0.004, "less than half of worth is no improvement to wait for"),
    ],
)
def test_a_gain_that_would_not_turn_the_answer_leaves_it(gain: float, why: str) -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85})
    verdict = judge(replace(made, gains={"net": gain, "wide": 1.0}))
    assert (verdict.kind, verdict.unfinished) == ("simple", ""), why
    assert verdict.network_ruled_out


def test_gains_of_who_does_not_stand_for_the_side_do_not_count() -> None:
    inner = {"dummy": 0.5, "trees": 0.9, "net": 0.88, "wide": 0.6}
    made = evidence({"dummy": 0.5, "trees": 0.9, "net": 0.85, "wide": 0.6}, inner=inner)
    assert judge(replace(made, gains={"wide": 0.2})).kind == "simple"
    assert judge(replace(made, gains={"net": 0.2})).kind == "cannot tell"


def test_errors_that_still_fall_turn_round_too() -> None:
    made = evidence({"dummy": 100.0, "trees": 30.0, "net": 40.0}, noise=0.5, metric="rmse", worth=1.0)
    assert judge(made).kind == "simple"
    assert judge(replace(made, gains={"net": 5.0})).kind == "simple"
    verdict = judge(replace(made, gains={"net": 9.5}))
    assert (verdict.kind, verdict.unfinished) == ("cannot tell", "network")
    assert "in RMSE behind boosted trees" in verdict.headline


def test_what_each_side_was_offered_and_used_is_said() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9})
    steps = {"dummy": (1, 1, 0.1), "linear": (2, 2, 1.0), "trees": (3, 4, 20.0), "net": (1, 5, 70.0)}
    used = tuple(
        replace(s, rung=done - 1, rungs=("step",) * offered, used_seconds=seconds)
        for s in made.standings
        for done, offered, seconds in [steps[s.contender]]
    )
    said = judge(replace(made, standings=used)).costs
    assert (
        "Effort, in steps of longer training and wider search: networks used 1 min 10 s for 1 of 5 steps, simple "
        "models used 21 s for 5 of 6 steps." in said
    )
    assert not any(sentence.startswith("Effort") for sentence in judge(made).costs)


def at_another_speed(standing: Standing, factor: float) -> Standing:
    """What a clock would have measured on a machine so many times as slow."""
    cost = standing.cost
    if cost is not None:
        clocks = {name: getattr(cost, name) for name in CLOCKS}
        cost = replace(cost, **{name: value and value * factor for name, value in clocks.items()})
    rungs = tuple(seconds * factor for seconds in standing.rung_seconds)
    return replace(standing, cost=cost, used_seconds=standing.used_seconds * factor, rung_seconds=rungs)


CLOCKS = ("fit_seconds", "core_seconds", "latency_ms_p50", "latency_ms_p95")


@pytest.mark.parametrize("seed", range(30))
def test_no_clock_reading_stands_in_what_is_compared(seed: int) -> None:
    """On a machine of another speed all is the same but what is told of costs."""
    rng = np.random.default_rng(seed)
    near = rng.choice([0.001, 0.1])  # whether another may take the place of the best
    means = {name: float(0.8 + near * rng.uniform(-1, 1)) for name in ("linear", "trees", "net", "wide")}
    made = evidence({"dummy": 0.5, **means})
    used = tuple(replace(s, rung=0, rungs=("a", "b"), used_seconds=float(rng.uniform(1, 99))) for s in made.standings)
    once = judge(replace(made, standings=used))
    assert once.costs
    alike = judge(replace(made, standings=tuple(at_another_speed(s, 3.7) for s in used)))
    assert replace(alike, costs=once.costs) == once
    assert alike.costs != once.costs
    unlike = judge(replace(made, standings=tuple(at_another_speed(s, rng.uniform(0.2, 5)) for s in used)))
    if unlike.recommended == once.recommended:
        assert replace(unlike, costs=()) == replace(once, costs=())


@given(st.floats(1e-6, 1e5), st.floats(1e-4, 1e4), st.integers(1, 10**10))
@settings(max_examples=100, deadline=None)
def test_no_cost_is_told_as_nothing(seconds: float, latency: float, n_bytes: int) -> None:
    """What is small has a smaller unit: a baseline of 458 bytes was told as 0 kB."""
    made = evidence({"dummy": 0.5, "trees": 0.8, "net": 0.9})
    costly = tuple(replace(s, cost=Cost(seconds, seconds, 5, 9, n_bytes, latency)) for s in made.standings)
    (told, *_) = judge(replace(made, standings=costly)).costs
    assert told.startswith("Cost of the dense network beside boosted trees: processor time to fit ")
    assert not re.search(r"(?<![\d.,])0 ", told), told


def test_guessing_alone_is_no_finding_about_the_inputs() -> None:
    whole = evidence({"dummy": 0.5, "linear": 0.8, "net": 0.85})
    cut = tuple(
        s if s.contender == "dummy" else replace(s, state="cut short", reason="0 of 5 folds were fitted in its time")
        for s in whole.standings
    )
    verdict = judge(replace(whole, standings=cut, folds=tuple(f for f in whole.folds if f.contender == "dummy")))
    why = "(linear model: 0 of 5 folds were fitted in its time)"
    assert verdict.headline.startswith(f"Nothing but guessing could be scored {why}. More time, ")
    assert (verdict.kind, verdict.recommended) == ("cannot tell", "dummy")


def test_no_network_at_all() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85})
    absent = Standing("net", "Dense network", "network", "skipped", "Too few rows for a network.", (), {}, {}, "", None)
    verdict = judge(replace(made, standings=(*made.standings, absent)))
    assert (verdict.kind, verdict.recommended) == ("cannot tell", "trees")
    assert (
        verdict.headline
        == "No network could be compared (dense network: too few rows for a network). Boosted trees are recommended."
    )


def test_why_no_network_could_be_compared_is_told_of_the_one_that_came_furthest() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8})
    late = [
        Standing(name, TITLES[name], "network", "cut short", reason, (), {}, {}, "", None, used_seconds=seconds)
        for name, reason, seconds in (
            ("wide", "No time was left for it.", 0.0),
            ("net", "1 of 3 folds was fitted.", 61.0),
        )
    ]
    verdict = judge(replace(made, standings=(*made.standings, *late)))
    assert verdict.headline.startswith(
        "No network could be compared (dense network: 1 of 3 folds was fitted). The linear model"
    )


def test_nothing_at_all_is_out_of_time() -> None:
    made = evidence({"dummy": 0.5, "net": 0.8})
    with pytest.raises(OutOfTime, match="ended before any model was scored"):
        judge(replace(made, folds=()))


def test_what_cannot_be_shipped_is_not_recommended() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9})
    standings = tuple(
        replace(s, cost=replace(COSTS["trees"], size_bytes=None)) if s.contender == "trees" else s
        for s in made.standings
    )
    assert judge(replace(made, standings=standings)).recommended == "linear"


def test_cost_is_relative_and_ties_go_to_the_simpler_family() -> None:
    assert relative_costs([Cost(1, 2.0, 1, 1, 100, 1.0), Cost(1, 2.0, 1, 1, 800, 1.0)]) == pytest.approx([1.0, 2.0])
    assert relative_costs([None, COSTS["net"]]) == pytest.approx([1.0, 1.0])
    table = {s.contender: s for s in evidence({"linear": 0.9, "trees": 0.9, "net": 0.9}).standings}
    same = replace(COSTS["trees"], core_seconds=1.5, latency_ms_p50=0.09)
    assert cheapest([replace(table["net"], cost=same), table["trees"]]).contender == "trees"
    tiny = replace(COSTS["trees"], core_seconds=0.01, latency_ms_p50=0.01, size_bytes=900)
    assert cheapest([replace(table["net"], cost=tiny), table["trees"]]).contender == "net"


def test_of_one_family_at_one_cost_the_better_ships() -> None:
    made = evidence({"dummy": 0.5, "trees": 0.894, "net": 0.8995, "wide": 0.9}, noise=0.0001)
    same = tuple(replace(s, cost=COSTS["net"] if s.family == "network" else s.cost) for s in made.standings)
    paired = pair(made.folds, same, METRICS["roc_auc"])
    found = recommend(paired, same, 0.01, lambda s: s.family == "network")
    assert found is not None
    assert (found.contender, found.not_worse) == ("wide", ("net", "wide"))


def with_members(made: Evidence, *members: str) -> Evidence:
    weights = {name: 1 / len(members) for name in members}
    standings = (replace(s, members=weights if s.contender == "team" else {}) for s in made.standings)
    return replace(made, standings=tuple(standings))


def test_a_team_ships_where_it_is_better_by_more_than_half_of_worth() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9, "team": 0.93})
    found = judge(with_members(made, "net", "trees"))
    assert (found.kind, found.recommended) == ("network", "team")
    assert found.network is not None
    assert set(found.network.contenders) == {"net"}
    assert "It averages" in found.recommended_because
    assert "time to fit, latency and size are those of all together." in found.recommended_because
    assert judge(with_members(made, "linear", "trees")).recommended == "net"  # a network is the answer
    near = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9, "team": 0.904})
    assert judge(with_members(near, "net", "trees")).recommended == "net"


def test_a_team_with_a_network_may_ship_though_none_is_needed_alone() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85, "team": 0.93})
    found = judge(with_members(made, "net", "trees"))
    assert (found.kind, found.recommended) == ("simple", "team")
    assert found.headline.startswith("No network needed alone, but one helps in a team. Boosted trees beat ")
    plain = judge(with_members(made, "linear", "trees"))
    assert (plain.kind, plain.recommended) == ("simple", "team")
    assert plain.headline.startswith("No network needed. ")


def test_where_it_is_not_beyond_doubt_that_anything_was_learnt_no_team_brings_a_network() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.45, "net": 0.528, "team": 0.56}, noise=0.03)
    found = judge(with_members(made, "net", "linear"))
    assert found.kind == "cannot tell"
    assert found.recommended == "dummy"
    assert judge(with_members(made, "linear")).recommended == "team"


def test_the_effort_of_a_team_is_of_neither_side() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "net": 0.9, "team": 0.93})
    used = tuple(replace(s, used_seconds=3.0, rung=0, rungs=("a",)) for s in made.standings)
    told = text(judge(replace(made, standings=used)))
    assert "networks used 3 s for 1 of 1 steps, simple models used 3 s for 1 of 1 steps" in told


def test_within_worth_on_average_is_not_worse() -> None:
    made = evidence({"linear": 0.893, "trees": 0.88, "net": 0.9}, noise=0.0001)
    paired = pair(made.folds, made.standings, METRICS["roc_auc"])
    found = recommend(paired, made.standings, 0.01, lambda s: s.family != "dummy")
    assert found is not None
    assert (found.best, found.contender, found.not_worse) == ("net", "linear", ("linear", "net"))


@pytest.mark.parametrize(
    ("best", "other", "part"),
    [
        ("net", "linear", 1.0),
        ("trees", "net", 1.0),
        ("trees", "dummy", 1.0),
        ("trees", "linear", 0.5),
        ("net", "wide", 0.5),
        ("team", "net", 0.5),
        ("team", "linear", 0.5),
        ("team", "dummy", 1.0),
    ],
)
def test_a_network_must_gain_worth_and_models_of_one_side_half_of_it(best: str, other: str, part: float) -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.8, "net": 0.8, "wide": 0.8, "team": 0.8})
    table = {s.contender: s for s in made.standings}
    assert reach(table[best], table[other], 0.01) == part * 0.01


def test_time_is_said() -> None:
    verdict = judge(evidence({"dummy": 0.5, "trees": 0.85, "net": 0.9}, time_ordered=True))
    assert "The folds follow time" in verdict.sentences[-1]


def test_words() -> None:
    assert [probability(p) for p in (0.5, 0.034, 0.996, 0.99999, 0.0)] == [
        "50%",
        "3%",
        "99.6%",
        "more than 99.9%",
        "less than 0.1%",
    ]
    assert [inside(t) for t in ("Boosted trees", "TabM ensemble", "k-nearest neighbours")] == [
        "boosted trees",
        "TabM ensemble",
        "k-nearest neighbours",
    ]
    for means in ({"dummy": 0.5, "trees": 0.85, "net": 0.9}, {"dummy": 0.5, "linear": 0.9, "net": 0.9}):
        said = text(judge(evidence(means)))
        for slip in ("  ", "..", "nan", " ,", "None", "points"):
            assert slip not in said


def test_of_pictures_the_verdict_speaks_as_pictures():
    found = evidence({"dummy": 0.5, "linear": 0.8, "net": 0.803}, noise=0.05)
    rows, pictures = judge(found), judge(replace(found, words=Words("picture", "pictures", "pictures")))
    told = [(v.headline, v.recommended_because, *v.sentences) for v in (rows, pictures)]
    assert "with 1,000 rows its advantage" in rows.headline
    assert "with 1,000 pictures its advantage" in pictures.headline
    assert not any("row" in sentence.split() for sentence in told[1])
    assert sum("row" in sentence for sentence in told[0]) == sum("picture" in sentence for sentence in told[1]) > 1
    assert is_plural("Boosted trees on pixels")
    assert not is_plural("Linear model on pixels")


def test_two_scores_are_told_with_their_difference_and_its_interval() -> None:
    for metric, means in (
        ("roc_auc", {"dummy": 0.5, "trees": 0.85, "net": 0.9}),
        ("rmse", {"trees": 40.0, "net": 30.0}),
    ):
        verdict = judge(evidence(means, metric=metric, noise=0.2 if metric == "rmse" else 0.01))
        assert verdict.network is not None
        assert verdict.simple is not None
        assert verdict.posterior is not None
        first, second = verdict.network.mean, verdict.simple.mean
        p, (told, *_) = verdict.posterior, verdict.sentences
        if metric == "roc_auc":
            expected = f"{first:.3f} vs {second:.3f}, {first - second:+.3f} [{p.low:+.3f}, {p.high:+.3f}]"
        else:  # an advantage of 10 is an error that is 10 lower
            expected = f"{first:.1f} vs {second:.1f}, {first - second:+.1f} [{-p.high:+.1f}, {-p.low:+.1f}]"
        assert f": {expected} (mean difference and its 95% interval). " in told, told
        assert ("; lower is better" in told) == (metric == "rmse")


def test_who_is_near_enough_but_not_cheaper_is_told_with_the_numbers() -> None:
    made = evidence({"dummy": 0.5, "trees": 0.9, "wide": 0.8, "net": 0.896}, noise=0.0001)
    costs = {"trees": Cost(5.0, 6.0, 5, 9, 1_000, 0.3), "net": Cost(2.0, 2.0, 5, 9, 1_000, 0.1)}
    standings = tuple(replace(s, cost=costs.get(s.contender, s.cost)) for s in made.standings)
    verdict = judge(replace(made, standings=standings))
    # (2 / 6 x 0.1 / 0.3) ** (1 / 3) = 0.48
    assert (
        "Of models near enough to ship, cost beside boosted trees (latency, size and fitting together): the dense "
        "network 0.48 times." in verdict.costs
    )
    assert verdict.recommended_because == (
        "Boosted trees score best, and the dense network (0.004 behind), near enough to take its place, is no clearly "
        "cheaper choice: costs within 5 times count as equal, and then the simpler kind of model goes first."
    )


def curve_of(name: str, why_not: str = "") -> LearningCurve:
    return LearningCurve(name, (), None, not why_not, "remark", why_not)


def meeting(**changes: Any) -> Crossing:
    made = Crossing("net", "trees", 1_630.0, 0.15, 1_210.0, None, 800, 3_200.0, -0.02, 0.03, -0.01, 0.05)
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"crossing": meeting()},
            (
                "With about 1,700 training rows the dense network would overtake boosted trees (90% band: 1,300 or "
                "more, as far as can be seen)."
            ),
        ),
        (
            {"crossing": meeting(gap_now=0.02, gap_later=-0.03, high=2_950.0)},
            (
                "With about 1,700 training rows boosted trees would overtake the dense network (90% band: 1,300 to "
                "3,000 rows)."
            ),
        ),
        (
            {"crossing": meeting(rows=None, error=None, low=None, gap_later=-0.02, gap_later_high=-0.01)},
            (
                "More rows would not change who is ahead: with 3,200 training rows the dense network would be 0.02 "
                "behind boosted trees (90% band: -0.01 to -0.01)."
            ),
        ),
        (
            {"crossing": meeting(rows=None, error=None, low=None, gap_later=-0.02)},
            (
                "Whether more rows would change who is ahead is uncertain: with 3,200 training rows the dense network "
                "would be 0.02 behind boosted trees (90% band: -0.01 to +0.05)."
            ),
        ),
        (
            {"curves": (curve_of("trees"),), "no_crossing": "the learning curve of one side only was measured"},
            (
                "Whether more rows would change who is ahead is not known: the learning curve of one side only was "
                "measured."
            ),
        ),
        ({}, ""),
    ],
)
def test_what_more_rows_would_change(changes: dict[str, Any], told: str) -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9}, **changes))
    assert verdict.more_rows == told
    assert (told in verdict.sentences) == bool(told)


def test_a_fold_alone_far_above_guessing_is_no_sign_that_nothing_can_be_learnt() -> None:
    """The clock cut the trees behind one fold and the network before its first; the linear model knows nothing."""
    whole = evidence({"dummy": 0.5, "linear": 0.5, "trees": 0.97, "net": 0.9}, noise=0.001)
    kept = [f for f in whole.folds if f.repeat == 0 and (f.contender in ("dummy", "linear"))]
    one = next(f for f in whole.folds if f.contender == "trees")
    standings = [
        replace(s, state="cut short", means={}, per_fold=(), cost=None) if s.contender in ("trees", "net") else s
        for s in whole.standings
    ]
    made = replace(whole, folds=(*kept, one), standings=tuple(standings), untried=("trees", "net"))
    verdict = judge(made)
    assert verdict.kind == "cannot tell"
    assert "do not predict" not in text(verdict)
    assert verdict.headline.startswith("Not enough time to tell whether the inputs predict the target: boosted trees")


NAMES = st.sampled_from(["linear", "trees", "net", "wide"])
OPENINGS = {
    "network": ("A network is worth it.",),
    "simple": ("No network needed",),
    "equal": ("No network needed", "A network is as good as the simple models here"),
    "no network": ("No network needed",),
    "cannot tell": ("Cannot tell", "No network could be compared"),
}
NOTHING_LEARNT = (
    "The inputs do not predict",
    "Whether the inputs predict the target is open",
    "Nothing but guessing",
    "Not enough time to tell whether",
)


@given(
    means=st.dictionaries(NAMES, st.sampled_from([0.9, 0.903, 0.905, 0.908]) | st.floats(0.4, 0.95), min_size=1),
    repeats=st.dictionaries(NAMES, st.integers(1, 5)),
    noise=st.sampled_from([0.0, 0.003, 0.05]),
    unshippable=st.sets(NAMES),
)
@settings(max_examples=200, deadline=None)
def test_what_is_said_is_true_of_the_table(
    means: dict[str, float], repeats: dict[str, int], noise: float, unshippable: set[str]
) -> None:
    made = evidence({"dummy": 0.5, **means}, noise=noise)
    folds = tuple(fold for fold in made.folds if fold.repeat < repeats.get(fold.contender, 5))
    standings = []
    for s in made.standings:  # as `Records.standing` has them: of the folds that all contenders have
        scores = [fold.scores["roc_auc"] for fold in folds if fold.contender == s.contender and fold.repeat == 0]
        cost = None if s.contender in unshippable else s.cost
        standings.append(replace(s, means={"roc_auc": float(np.mean(scores))}, per_fold=tuple(scores), cost=cost))
    made = replace(made, folds=folds, standings=tuple(standings))
    verdict, found, table = judge(made), find(made), {s.contender: s for s in standings}
    score = {name: s.means["roc_auc"] for name, s in table.items()}
    chosen, best = table[verdict.recommended], table[found.recommendation.best]
    because = verdict.recommended_because
    openings = OPENINGS[verdict.kind] + (NOTHING_LEARNT if chosen.family == "dummy" else ())
    assert verdict.headline.startswith(openings), (verdict.kind, verdict.headline)
    assert score[best.contender] == pytest.approx(found.paired.mean(best.contender))
    higher = [name for name in score if score[name] > score[best.contender] and name != "dummy"]
    if chosen.family != "dummy":
        for name in higher:  # whoever scores higher than the best that may ship is named, with the reason
            assert named(TITLES[name]).lower() in because.lower(), because
            networks_out = FAMILIES[name] == "network" and verdict.kind in ("simple", "no network", "cannot tell")
            assert name in unshippable or networks_out or verdict.kind == "network", (name, because)
        for name in score:  # so is whoever scores higher than what ships
            if score[name] > score[chosen.contender] and name != "dummy":
                assert named(TITLES[name]).lower() in because.lower(), because
    if " best, and " in because:
        assert not higher, because
    if "every other model that may ship" in because:
        assert found.recommendation.not_worse == (chosen.contender,)
    if "no model beats a baseline" in verdict.headline:
        assert max(score[name] for name in score) - score["dummy"] <= 0.01 + 1e-9, verdict.headline
    if "are practically equal: they differ by" in verdict.headline:
        assert verdict.kind == "equal"
    if verdict.kind != "cannot tell":
        assert "would probably settle" not in text(verdict)


STATES = st.sampled_from(["finished", "finished", "finished", "cut short", "skipped", "failed"])


@st.composite
def comparisons(draw: st.DrawFn) -> Evidence:
    """Who finished, was cut short behind some folds, declined or failed; a team or none; who still improves."""
    metric = draw(st.sampled_from(["roc_auc", "rmse"]))
    names = draw(st.lists(st.sampled_from(["linear", "trees", "net", "wide", "team"]), unique=True))
    level = {name: draw(st.sampled_from([0.5, 0.55, 0.8, 0.805, 0.9, 0.97])) for name in names}
    if metric == "rmse":
        level = {name: 1.5 - value for name, value in level.items()}
    noise = draw(st.sampled_from([0.0, 0.002, 0.03]))
    made = evidence({"dummy": 1.0 if metric == "rmse" else 0.5, **level}, noise=noise, metric=metric)
    folds, standings = [], []
    n_folds = draw(st.integers(1, 5))
    for s in made.standings:
        state = "finished" if s.contender in ("dummy", "team") else draw(STATES)
        mine = [f for f in made.folds if f.contender == s.contender and f.repeat == 0 and f.fold < n_folds]
        if state == "finished":
            scores = tuple(f.scores[metric] for f in mine)
            standings.append(replace(s, per_fold=scores, means={metric: float(np.mean(scores))}))
            folds.extend(mine)
        else:  # as the race has them: of an effort that is not complete no fold counts
            standings.append(replace(s, state=state, reason="why", per_fold=(), means={}, cost=None))  # type: ignore[arg-type]
    untried = [s.contender for s in standings if s.state == "cut short" and s.contender in ("trees", "net")]
    gains = {name: draw(st.sampled_from([0.0, 0.004, 0.05])) for name in names}
    scored = [s.contender for s in standings if s.means and s.family != "team"]
    made = replace(
        made, folds=tuple(folds), standings=tuple(standings), untried=tuple(untried), gains=gains, worth=0.01
    )
    return with_members(made, *scored) if "team" in names else made


@given(comparisons())
@settings(max_examples=300, deadline=None)
def test_no_sentence_contradicts_the_table_or_another(made: Evidence) -> None:
    metric, (verdict, found) = made.metric, (judge(made), find(made))
    table = {s.contender: s for s in made.standings}
    score = {name: s.means[metric.name] for name, s in table.items() if s.means}
    said, headline = text(verdict), verdict.headline
    nothing_learnt = NOTHING_LEARNT if table[verdict.recommended].family == "dummy" else ()
    assert headline.startswith((*OPENINGS[verdict.kind], "Not enough time to tell:", *nothing_learnt)), headline
    decided = verdict.kind != "cannot tell"
    p = verdict.posterior
    reached = {"network": "p_first", "equal": "p_equal", "simple": "p_second"}
    if verdict.kind in reached:
        assert p is not None
        assert getattr(p, reached[verdict.kind]) >= made.confidence
    if verdict.kind == "no network" or "No network needed" in headline:
        assert p is not None
        assert p.p_first <= 1 - made.confidence
        assert verdict.network_ruled_out
    assert not re.search(r"\(0 (behind|ahead)|(?<![.\d])1 times", said), said  # that is level, and about the same
    assert not (decided and verdict.unfinished)
    assert not (decided and ("Not enough time" in said or "Cannot tell" in said or "would probably" in said))
    if "Not enough time to tell:" in headline:
        assert verdict.unfinished
    if "do not predict" in headline:  # nobody far above guessing, nobody of whom that may still be hoped
        assert not made.untried
        assert all(metric.gain(value, score["dummy"]) <= made.worth + 1e-9 for value in score.values())
    best = score[found.recommendation.best]
    better = [name for name in score if metric.gain(score[name], best) > 1e-9 and name != verdict.recommended]
    for name in better:
        if table[verdict.recommended].family != "dummy":
            assert metric.shows(score[name]) in verdict.recommended_because, (name, verdict.recommended_because)
    if verdict.network is not None and verdict.simple is not None:
        for side_, family in ((verdict.network, True), (verdict.simple, False)):
            scores = [table[who].per_fold[fold] for fold, who in enumerate(side_.contenders)]
            assert side_.mean == pytest.approx(np.mean(scores))
            assert all((table[who].family == "network") == family for who in side_.contenders)
        told = metric.compares(verdict.network.mean, verdict.simple.mean)
        assert told in verdict.sentences[0]
    states = {"skipped": "skipped", "failed": "failed"}
    for s in made.standings:  # nobody without a score is compared or recommended
        if s.state in states or not s.means:
            assert verdict.recommended != s.contender
            assert s.contender not in (verdict.network.contenders if verdict.network else ())
