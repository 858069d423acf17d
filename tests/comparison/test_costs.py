"""Expected seconds: arithmetic, corrected by what was seen in the run and by what the processor has."""

from __future__ import annotations

from typing import Any

import pytest

from annvil.comparison.race import costs
from annvil.comparison.race.costs import BESIDE_FITTING, SLOWER, CostModel
from annvil.comparison.race.decisions import Decision, Unit
from annvil.models.contract import Traits
from annvil.models.jobs import Effort, Rung

FOLDS = 5
BESIDE = BESIDE_FITTING[0] + FOLDS * BESIDE_FITTING[1]


@pytest.fixture
def model(toy: Any) -> CostModel:
    contenders = [
        toy("dense", "network", (0,)),
        toy("maps", "network", (0,), traits=Traits(in_bfloat16=True)),
        toy("linear", "linear", (0,)),
    ]
    ladders = {c.name: (Rung(Effort(), 2.0), Rung(Effort(rung=1), 4.0)) for c in contenders}
    return CostModel({c.name: c for c in contenders}, ladders, FOLDS)


def seen(name: str, seconds: float, rung: int = 0) -> Decision:
    return Decision(0, Unit("fit", name, rung), "", 1.0, "complete", seconds)


def test_a_family_shows_how_its_mates_will_do(model: CostModel) -> None:
    model.see(seen("dense", BESIDE + 5.0))
    assert model.seconds(Unit("fit", "dense", 1)) == pytest.approx(BESIDE + 0.5 * FOLDS * 4)
    assert model.factor("linear") == pytest.approx(0.5)


@pytest.mark.parametrize("units", SLOWER)
def test_bfloat16_hangs_on_the_processor_until_it_was_seen(
    model: CostModel, units: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "bfloat16_units", lambda: units)
    model.see(seen("dense", BESIDE + 5.0))
    expected = BESIDE + SLOWER[units] * FOLDS * 2
    assert model.seconds(Unit("fit", "maps")) == model.at_best(Unit("fit", "maps")) == pytest.approx(expected)
    model.see(seen("maps", BESIDE + 15.0))
    assert model.seconds(Unit("fit", "maps", 1)) == pytest.approx(BESIDE + 1.5 * FOLDS * 4)


def test_what_guessing_took_says_how_slow_the_machine_is(toy: Any) -> None:
    contenders = {c.name: c for c in (toy("dummy", "dummy", ()), toy("linear", "linear", (0,)))}
    ladders = {"dummy": (Rung(Effort(), 0.01),), "linear": (Rung(Effort(), 2.0),)}
    model = CostModel(contenders, ladders, FOLDS)
    usual = BESIDE + FOLDS * 0.01
    for seconds, slowness in [(0.5 * usual, 1.0), (3.0 * usual, 3.0), (2.0 * usual, 3.0), (50.0 * usual, 4.0)]:
        model.see(seen("dummy", seconds))
        assert model.slowness == pytest.approx(slowness)
        assert model.seconds(Unit("fit", "linear")) == pytest.approx(slowness * (BESIDE + FOLDS * 2.0))
