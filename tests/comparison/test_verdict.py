"""The four verdicts, the recommendation, and the sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from annvil.comparison.contrast import pair, side
from annvil.comparison.evidence import Evidence
from annvil.comparison.recommendation import cheapest, recommend, relative_costs
from annvil.comparison.results import Cost, FoldResult, Plan, Standing, Verdict
from annvil.comparison.verdict import judge
from annvil.errors import OutOfTime
from annvil.tasks.metric_index import METRICS
from annvil.text.phrases import inside, is_plural
from annvil.text.quantities import probability
from annvil.text.words import Words

FAMILIES = {"dummy": "dummy", "linear": "linear", "trees": "trees", "net": "network", "wide": "network"}
TITLES = {
    "dummy": "Dummy",
    "linear": "Linear model",
    "trees": "Boosted trees",
    "net": "Dense network",
    "wide": "TabM ensemble",
}
COSTS = {
    "dummy": Cost(0.001, 0.001, 1, 2, 500, 0.02),
    "linear": Cost(0.1, 0.1, 8, 20, 5_000, 0.05),
    "trees": Cost(2.0, 2.0, 5, 9_000, 300_000, 0.1),
    "net": Cost(5.0, 9.0, 5, 40_000, 800_000, 0.4),
    "wide": Cost(9.0, 17.0, 5, 90_000, 2_000_000, 0.9),
}
PLAN = Plan(
    120.0, 1000, 1000, 5, 5, "5 folds", "random", {"linear": 20.0, "trees": 20.0, "network": 20.0}, {}, (), 0, ()
)


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
                tuple(scores),
                {metric: float(np.mean(scores))},
                {metric: float(np.std(scores, ddof=1))},
                "",
                COSTS[name],
                20.0,
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
    return " ".join((verdict.headline, *verdict.sentences, verdict.recommended_because))


def test_a_network_that_wins_by_a_margin() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85, "net": 0.9}))
    assert verdict.kind == "network"
    assert verdict.recommended == "net"
    assert verdict.headline.startswith("A network is worth it. The dense network beats boosted trees by ")
    assert "the chance that the gain is more than 1 point is " in verdict.headline
    assert verdict.posterior is not None
    assert verdict.posterior.p_first >= 0.95
    assert not verdict.network_ruled_out


def test_how_sure_it_is_that_anything_was_learnt() -> None:
    sure = judge(evidence({"dummy": 0.5, "linear": 0.8, "net": 0.9}))
    expected = (
        "The baseline, which ignores the inputs, scores 0.500; the chance that the dense network beats that by "
        "more than 1 point"
    )
    assert f"{expected} of ROC AUC is more than 99.9%." in sure.sentences
    unsure = judge(evidence({"dummy": 0.5, "linear": 0.53, "net": 0.5}, noise=0.08))
    assert not any("99" in sentence for sentence in unsure.sentences if sentence.startswith("Guessing"))


def test_a_simple_model_that_wins() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85}))
    assert (verdict.kind, verdict.recommended, verdict.network_ruled_out) == ("simple", "trees", True)
    assert verdict.headline.startswith("No network needed. Boosted trees beat the dense network by ")


def test_equal_sides_ship_the_cheapest() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.9, "trees": 0.9005, "net": 0.901}, noise=0.003))
    assert (verdict.kind, verdict.recommended, verdict.network_ruled_out) == ("equal", "linear", True)
    assert "practically equal" in verdict.headline
    assert "costs" in verdict.recommended_because
    assert "times less" in verdict.recommended_because


def test_cannot_tell_says_how_many_rows_would() -> None:
    verdict = judge(evidence({"dummy": 0.5, "linear": 0.88, "net": 0.9}, noise=0.04))
    assert verdict.kind == "cannot tell"
    assert verdict.headline.startswith("Cannot tell yet whether a network is worth it: with 1,000 rows")
    assert verdict.rows_that_would_tell is not None
    assert f"{verdict.rows_that_would_tell:,} rows" in text(verdict)
    assert verdict.recommended == "net"  # two points better on average is more than one


def test_undecided_between_simple_and_equal_still_needs_no_network() -> None:
    verdict = judge(evidence({"dummy": 0.5, "trees": 0.9, "net": 0.89}, noise=0.01))
    assert (verdict.kind, verdict.network_ruled_out, verdict.recommended) == ("cannot tell", True, "trees")
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
    simple = side("simple", ["dummy", "linear", "trees"], pair(made.folds, made.standings, METRICS["rmse"]))
    assert simple is not None
    assert set(simple.contenders) == {"trees"}


def test_folds_in_common_only() -> None:
    whole = evidence({"dummy": 0.5, "trees": 0.85, "net": 0.9, "wide": 0.95})
    # The wide network was cut after one fold, the dense one after two repeats.
    folds = [f for f in whole.folds if not (f.contender == "wide" and (f.repeat, f.fold) > (0, 0))]
    folds = [f for f in folds if not (f.contender == "net" and f.repeat > 1)]
    paired = pair(folds, whole.standings, METRICS["roc_auc"])
    assert set(paired.results) == {"dummy", "trees", "net"}
    assert len(paired.places) == 10
    verdict = judge(replace(whole, folds=tuple(folds)))
    assert verdict.posterior is not None
    assert verdict.posterior.df == 9


def test_whoever_was_cut_is_judged_on_what_it_has_and_does_not_vanish() -> None:
    whole = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.95, "net": 0.85})
    folds = tuple(f for f in whole.folds if f.contender != "trees" or (f.repeat, f.fold) <= (0, 2))
    verdict = judge(replace(whole, folds=folds))
    assert verdict.posterior is not None
    assert verdict.posterior.df == 2
    assert verdict.recommended == "trees"
    one = tuple(f for f in whole.folds if f.contender in ("dummy", "linear") and (f.repeat, f.fold) == (0, 0))
    verdict = judge(replace(whole, folds=one))
    assert verdict.posterior is None
    assert verdict.recommended == "linear"
    assert "do not predict" not in verdict.headline


def test_a_loser_that_was_cut_short_is_said_in_the_headline() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85})
    cut = tuple(replace(s, state="cut short") if s.contender == "net" else s for s in made.standings)
    verdict = judge(replace(made, standings=cut))
    assert verdict.kind == "simple"
    assert verdict.headline.endswith("This holds for this budget only: the dense network was cut short by the clock.")
    assert verdict.sentences[-1] == "Cut short by the clock, and perhaps better with more time: dense network."
    assert "clock" not in text(judge(made))


def test_guessing_alone_is_no_finding_about_the_inputs() -> None:
    whole = evidence({"dummy": 0.5, "linear": 0.8, "net": 0.85})
    cut = tuple(
        s if s.contender == "dummy" else replace(s, state="cut short", reason="0 of 5 folds were fitted in its time")
        for s in whole.standings
    )
    verdict = judge(replace(whole, standings=cut, folds=tuple(f for f in whole.folds if f.contender == "dummy")))
    assert verdict.headline.startswith("Nothing but guessing could be scored: 0 of 5 folds were fitted in its time.")
    assert (verdict.kind, verdict.recommended) == ("cannot tell", "dummy")


def test_no_network_at_all() -> None:
    made = evidence({"dummy": 0.5, "linear": 0.8, "trees": 0.85})
    absent = Standing(
        "net", "Dense network", "network", "declined", "Too few rows for a network.", (), {}, {}, "", None, 0
    )
    verdict = judge(replace(made, standings=(*made.standings, absent)))
    assert (verdict.kind, verdict.recommended) == ("cannot tell", "trees")
    assert (
        verdict.headline == "No network could be compared: too few rows for a network. Boosted trees are recommended."
    )
    assert "dense network (declined)" in text(verdict)


def test_nothing_at_all_is_out_of_time() -> None:
    made = evidence({"dummy": 0.5, "net": 0.8})
    with pytest.raises(OutOfTime, match="ended before any contender was scored"):
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


def test_within_worth_on_average_is_not_worse() -> None:
    made = evidence({"linear": 0.893, "trees": 0.88, "net": 0.9}, noise=0.0001)
    paired = pair(made.folds, made.standings, METRICS["roc_auc"])
    found = recommend(paired, made.standings, 0.01, ("linear", "trees", "network"))
    assert found is not None
    assert (found.best, found.contender, found.not_worse) == ("net", "linear", ("linear", "net"))


def test_time_and_capped_rows_are_said() -> None:
    made = evidence({"dummy": 0.5, "trees": 0.85, "net": 0.9}, time_ordered=True)
    verdict = judge(replace(made, plan=replace(PLAN, n_rows=50_000)))
    assert "The folds follow time" in verdict.sentences[-1]
    assert "1,000 rows drawn from the 50,000" in verdict.sentences[-1]


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
        for slip in ("  ", "..", "nan", " ,", "None", "1 points "):
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
