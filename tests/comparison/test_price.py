"""What a readable model costs: kinds by the posterior, nobody blamed before its turn, and consistent with the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.comparison.test_verdict import COSTS, evidence

from annvil.comparison.evidence import Evidence
from annvil.comparison.price import price_of
from annvil.comparison.results import Standing


def priced(means: dict[str, float], readable: tuple[str, ...] = ("linear",), **how: Any) -> Evidence:
    made = evidence(means, **how)
    return replace(made, standings=tuple(replace(s, explainable=s.contender in readable) for s in made.standings))


def late(name: str, family: Any, *, explainable: bool) -> Standing:
    return Standing(name, name.capitalize(), family, "cut short", "", (), {}, {}, "", None, explainable=explainable)


def test_a_readable_model_far_behind_costs_what_the_table_says() -> None:
    price = price_of(priced({"dummy": 0.5, "linear": 0.8, "trees": 0.9, "net": 0.85}))
    assert price.kind == "costs"
    assert price.posterior is not None
    assert price.posterior.p_first > 0.95
    assert price.posterior.mean == pytest.approx(0.1, abs=0.01)
    assert price.explainable is not None
    assert price.other is not None
    assert set(price.explainable.contenders) == {"linear"}
    assert set(price.other.contenders) == {"trees"}
    assert price.sentence.startswith("Being able to read the model costs 0.")
    assert f"{price.explainable.mean:.3f} against {price.other.mean:.3f}" in price.sentence
    assert "the linear model against boosted trees" in price.sentence
    assert len(price.costs) == 1


@pytest.mark.parametrize("linear", [0.9, 0.95])
def test_a_readable_model_that_keeps_up_or_leads_costs_nothing(linear: float) -> None:
    price = price_of(priced({"dummy": 0.5, "linear": linear, "trees": 0.9, "net": 0.85}, noise=0.003))
    assert price.kind == "costs nothing"
    assert "costs nothing here" in price.sentence


def test_between_the_two_it_cannot_be_told() -> None:
    price = price_of(priced({"dummy": 0.5, "linear": 0.89, "trees": 0.9}, noise=0.03))
    assert price.kind == "cannot tell"
    assert "cannot be told yet" in price.sentence


@pytest.mark.parametrize(
    ("means", "missing", "kind"),
    [
        ({"linear": 0.8, "trees": 0.9, "net": 0.9}, ("additive networks", "network", True), "cannot tell"),
        ({"linear": 0.8, "trees": 0.9, "net": 0.9}, ("neighbours", "neighbours", False), "costs"),
        ({"linear": 0.95, "trees": 0.9, "net": 0.9}, ("additive networks", "network", True), "costs nothing"),
        ({"linear": 0.95, "trees": 0.9}, ("dense network", "network", False), "cannot tell"),
        ({"linear": 0.95, "trees": 0.9, "net": 0.9}, ("wide network", "network", False), "costs nothing"),
    ],
)
def test_who_waits_for_a_first_score_decides_only_where_it_may_turn_the_answer(
    means: dict[str, float], missing: tuple[str, Any, bool], kind: str
) -> None:
    made = priced({"dummy": 0.5, **means}, noise=0.003)
    name, family, explainable = missing
    waits = replace(made, standings=(*made.standings, late(name, family, explainable=explainable)))
    price = price_of(waits)
    assert price.kind == kind
    assert (f"{name} were not scored" in price.sentence or f"the {name} was not scored" in price.sentence) == (
        kind == "cannot tell"
    )


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_few_models_without_a_score_are_named_and_many_are_counted(n: int) -> None:
    made = priced({"dummy": 0.5, "linear": 0.8, "trees": 0.9}, noise=0.003)
    families = ["network", "neighbours"]
    waits = [late(f"model {i}", families[i % 2], explainable=True) for i in range(n)]
    said = price_of(replace(made, standings=(*made.standings, *waits))).sentence
    assert (f"{n} of {n + 2} models were not scored" in said) == (n > 2)
    assert all((wait.title[0].lower() + wait.title[1:] in said) == (n <= 2) for wait in waits)


def test_a_side_that_still_improves_is_not_beaten() -> None:
    made = priced({"dummy": 0.5, "linear": 0.8, "trees": 0.9}, noise=0.003)
    assert price_of(replace(made, gains={"linear": 0.12})).kind == "cannot tell"
    assert price_of(replace(made, gains={"trees": 0.12})).kind == "costs"
    level = priced({"dummy": 0.5, "linear": 0.9, "trees": 0.9}, noise=0.003)
    assert price_of(replace(level, gains={"trees": 0.05})).kind == "cannot tell"
    assert price_of(replace(level, gains={"linear": 0.05})).kind == "costs nothing"


def test_sides_that_do_not_exist() -> None:
    none = price_of(priced({"dummy": 0.5, "linear": 0.8, "trees": 0.9}, readable=()))
    assert none.kind == "not applicable"
    alone = price_of(priced({"dummy": 0.5, "linear": 0.8}))
    assert (alone.kind, alone.posterior) == ("cannot tell", None)
    assert alone.sentence.startswith("Only models that a person can read competed")
    made = priced({"dummy": 0.5, "trees": 0.8}, readable=())
    waits = price_of(replace(made, standings=(*made.standings, late("linear model", "linear", explainable=True))))
    assert waits.sentence == "What it costs to be able to read the model is not known: the linear model was not scored."
    failed = replace(late("linear model", "linear", explainable=True), state="failed")
    broken = price_of(replace(made, standings=(*made.standings, failed)))
    assert broken.sentence.endswith("is not known: no model that a person can read was scored.")
    declined = replace(failed, state="skipped")
    assert price_of(replace(made, standings=(*made.standings, declined))).kind == "not applicable"


@given(
    st.dictionaries(st.sampled_from(["linear", "trees", "net", "wide", "team"]), st.floats(0.5, 0.95), min_size=2),
    st.sets(st.sampled_from(["linear", "trees", "net", "wide", "team"])),
    st.sampled_from(["roc_auc", "rmse"]),
)
def test_what_is_said_is_what_is_believed(means: dict[str, float], readable: set[str], metric: str) -> None:
    made = priced({"dummy": 0.5, **means}, tuple(readable), metric=metric)
    price = price_of(made)
    names = set(means) - {"team"}
    if price.posterior is None:
        assert not (names & readable and names - readable)
        return
    p, other, own = price.posterior, price.other, price.explainable
    assert other is not None
    assert own is not None
    assert set(own.contenders) <= readable - {"team", "dummy"}
    assert not set(other.contenders) & (readable | {"team", "dummy"})
    assert p.mean == pytest.approx(made.metric.gain(other.mean, own.mean), abs=1e-9)  # positive: given up
    assert (price.kind == "costs nothing") == (p.p_first <= 0.05)
    assert (price.kind == "costs") == (p.p_first >= 0.95)
    assert set(COSTS) >= set(own.contenders)
