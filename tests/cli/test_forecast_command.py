"""From a table to the next months: fit, verdict, bundle, predict, on the command line."""

import csv
import io

import pytest
from typer.testing import CliRunner

import annvil
from annvil.cli.app import app
from annvil.kinds.forecasts import KIND
from annvil.kinds.forecasts.contenders import registry

RUN = CliRunner()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    implied = KIND.fit_commands["forecast"].implied
    out, everybody = str(tmp_path_factory.mktemp("runs")), registry.contenders_for_forecasts()
    with pytest.MonkeyPatch.context() as patch:  # two, with time on any machine: they need little
        few = [one for one in everybody if one.family == "dummy" or one.name == "exponential-smoothing"]
        patch.setattr(registry, "contenders_for_forecasts", lambda: few)
        return annvil.fit("sample:airline", **implied, budget="60s", out=out).to_json()


def test_a_season_ahead_is_the_horizon_unless_asked(fitted):
    assert fitted["metric"] == "mase"
    scores = {one["contender"]: one.get("mase") for one in fitted["scores"]}
    assert min(score for score in scores.values() if score is not None) < 0.75
    assert scores["dummy"] > 1.5


def test_predicting_writes_moments_forecasts_and_intervals(fitted, tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("time,target\n" + "".join(f"{1990 + k // 12}-{k % 12 + 1:02d},{100 + k}\n" for k in range(60)))
    found = RUN.invoke(app, ["predict", fitted["folder"], str(history), "--horizon", "3", "--intervals", "80,95"])
    assert found.exit_code == 0, found.output
    lines = list(csv.DictReader(io.StringIO(found.stdout)))
    assert [line["time"] for line in lines] == ["1995-01-01", "1995-02-01", "1995-03-01"]
    for line in lines:
        ends = [float(line[name]) for name in ("low_95", "low_80", "predicted_target", "high_80", "high_95")]
        assert ends == sorted(ends)
    longer = RUN.invoke(app, ["predict", fitted["folder"], str(history), "--horizon", "13"])
    assert longer.exit_code == 2


def test_the_command_takes_the_options_of_forecasts_and_no_others():
    shown = RUN.invoke(app, ["forecast", "--help"], env={"COLUMNS": "200"}).stdout
    assert all(flag in shown for flag in ("--horizon", "--series", "--known", "--budget", "--season"))
    assert "--backbone" not in shown


def test_options_of_forecasts_are_refused_for_tables():
    found = RUN.invoke(app, ["fit", "sample:iris", "--known", "price", "-b", "600s"])
    assert found.exit_code == 2
    assert "is for forecasts" in found.output
