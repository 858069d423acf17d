"""Networks beside hidden Markov models, on a race whose answers are known by construction."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from annvil.comparison import Request, Store, compare
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.race.fitting import RAISE_BUGS
from annvil.errors import RequestError
from annvil.kinds.found import Found
from annvil.kinds.sound.kind import KIND
from annvil.kinds.sound.studies.findings import KEY
from annvil.kinds.sound.tiny import tiny
from annvil.models.contract import BaseContender, Traits
from annvil.models.dummy import Dummy
from annvil.models.jobs import Effort, Rung
from annvil.models.ladder import ladder_of
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, judge

SPEAKERS = ("anna", "ben", "cleo")


@dataclass(frozen=True)
class Knowing(BaseMember):
    """Says the class that ``said`` has for a clip, whatever it sounds like; clips are known by their first sample."""

    said: dict[float, int]
    n_parameters: int = 5

    def predict(self, inputs: Any) -> Any:
        outputs = np.full((inputs.n_rows, 3), 0.1)
        for row in range(inputs.n_rows):
            outputs[row, self.said.get(float(inputs.one(row)[0]), 0)] = 0.8
        return outputs

    def write(self, graph: Any, samples: Any, lengths: Any) -> Any:
        first = graph.op("Slice", samples, *(graph.constant([n], "int64") for n in (0, 1, 1, 1)))
        known = graph.constant(np.array(list(self.said), dtype=np.float32)[None])
        found = graph.cast(graph.op("Equal", first, known), "float64")
        table = 0.7 * np.eye(3)[list(self.said.values())]
        return graph.op("Add", graph.op("MatMul", found, graph.constant(table)), graph.constant(0.1))


class Sided(BaseContender):
    traits = Traits(library="")

    def __init__(self, name: str, family: Any, said: dict[float, int]) -> None:
        self.name, self.title, self.family, self.said = name, name.capitalize(), family, said

    def ladder(self, shape: Any) -> Any:
        return ladder_of([Rung(Effort(inner_folds=5), 1e-3)])

    def fit(self, dataset: Any, jobs: Any, effort: Effort, context: Any) -> Iterator[Fitted]:
        member = Knowing(self.said)
        for job in jobs:
            told = [member.predict(dataset.inputs.take(split.test)) for split in job.inner]
            trial = judge(dataset, job, told, Candidate({}, "knowing"))
            yield Fitted(self.name, job, dataset.task, (member,), None, trial.out_of_fold, {}, "knowing",
                         (trial.to_json(),), 1e-3, 1e-3)  # fmt: skip


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """Of 90 clips of three speakers networks have 9 of Anna's wrong, hidden Markov models 9 of hers and 18 of Ben's."""
    os.environ[RAISE_BUGS] = "1"
    dataset = tiny()["multiclass"].dataset
    groups = np.arange(90) % 3
    store = replace(dataset.inputs.store, speakers=SPEAKERS)
    dataset = replace(dataset, inputs=replace(dataset.inputs, store=store), groups=groups, grouped=True)
    first = [float(dataset.inputs.one(row)[0]) for row in range(90)]
    assert len(set(first)) == 90
    anna, ben = np.flatnonzero(groups == 0), np.flatnonzero(groups == 1)
    network, earlier = dataset.y.copy(), dataset.y.copy()
    for side, rows in ((network, anna[:9]), (earlier, anna[:9]), (earlier, ben[:18])):
        side[rows] = (side[rows] + 1) % 3
    contenders = [Dummy(), Sided("hidden-markov", "generative", dict(zip(first, earlier.tolist(), strict=True))),
                  Sided("net", "network", dict(zip(first, network.tolist(), strict=True)))]  # fmt: skip
    folder = tmp_path_factory.mktemp("race")
    kept = Store(folder / "race")
    metric = dataset.task.metric("accuracy")
    found = compare(DataProblem(dataset, KIND.words), contenders, Request(metric, budget_seconds=600.0), kept)
    del os.environ[RAISE_BUGS]
    return Found(dataset, found, kept, folder, folder / "model", SimpleNamespace(left=60.0))


@pytest.fixture(scope="module")
def studied(race):
    written: list[Any] = []
    study = KIND.studies["hmm-vs-network"]
    return study.run(race, race.folder / "study", 60.0, lambda message: None, written.extend), written


def test_the_difference_is_that_of_the_clips(studied):
    result, _ = studied
    assert result["alone"].numbers == {"only_earlier": 0, "only_network": 18, "neither": 9, "n": 90}
    assert result["score"].numbers["gain"] == pytest.approx(18 / 90)
    assert "Networks gain +0.2" in result["score"].sentence
    assert "18 with the networks alone, 0 with hidden Markov models alone; with neither 9." in result["alone"].sentence


def test_speakers_stand_one_by_one_whom_networks_help_least_first(studied):
    result, _ = studied
    assert result.speakers.rows[-1] == ("ben", "30", "40%", "100%", "+60.0 points")
    assert {row[0]: row[2:4] for row in result.speakers.rows} == {
        "anna": ("70%", "70%"),
        "cleo": ("100%", "100%"),
        "ben": ("40%", "100%"),
    }
    assert any("new voices" in sentence for sentence in result.remarks)


def test_it_is_kept_written_and_can_be_read(race, studied):
    result, written = studied
    kept = json.loads((race.folder / "study" / "findings.json").read_bytes())
    assert kept == json.loads(msgspec.json.encode(result.to_json()))
    (section,) = written
    assert section.key == KEY
    assert {row[0] for row in section.tables[0].rows} >= {"Right where the other is wrong", "Time for one clip"}


def test_where_speakers_are_not_known_it_says_what_that_means(race):
    unknown = replace(race, dataset=replace(race.dataset, grouped=False))
    result = KIND.studies["hmm-vs-network"].run(unknown, race.folder / "other", 60.0, print, lambda sections: None)
    assert result.speakers is None
    assert any("--groups" in sentence for sentence in result.remarks)


def test_without_one_of_the_sides_it_says_which_and_what_to_do(race):
    alone = [one for one in race.comparison.standings if one.family != "network"]
    without = replace(race, comparison=replace(race.comparison, standings=tuple(alone)))
    with pytest.raises(RequestError, match=r"no score of a network.*longer --budget"):
        KIND.studies["hmm-vs-network"].run(without, race.folder / "none", 60.0, print, lambda sections: None)
