"""A kind of data whose answers are sequences of words: a number for each word that is said, with noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from annvil.data.dataset import Dataset, Source
from annvil.data.form import Conformed
from annvil.data.table import Column, Field, Table
from annvil.kinds.base import Kind
from annvil.kinds.tables.form import TableForm
from annvil.models.contract import BaseContender
from annvil.models.dummy import Dummy
from annvil.models.jobs import Effort, Rung
from annvil.models.ladder import ladder_of
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, best_of, try_candidates
from annvil.tasks.transcription import Transcription
from annvil.text.words import Words

MOST, WORDS = 4, ("one", "two", "three")


class SpelledForm(TableForm, frozen=True, tag_field="kind", tag="spelled"):
    kind: ClassVar[str] = "spelled"

    def conform(self, raw: Any, where: str = "the lines") -> Conformed:
        if isinstance(raw, dict):
            return Conformed(numbered([[str(raw[name]) for name in self.names]]))
        return Conformed(numbered([line.split() for line in Path(raw).read_text().splitlines()]))

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]


@dataclass(frozen=True)
class Spelled(Table):
    form = property(lambda self: SpelledForm(self.schema))


def numbered(lines: list[list[str]]) -> Spelled:
    values = np.full((len(lines), MOST), -1.0)
    for row, line in enumerate(lines):
        values[row, : len(line)] = [float(text) for text in line]
    return Spelled(tuple(Column(Field(f"n{k}", "number"), values[:, k].copy()) for k in range(MOST)), len(lines))


@dataclass(frozen=True)
class RoundingMember(BaseMember):
    shift: float
    n_parameters: int = 1

    def predict(self, inputs: Any) -> Any:
        values = inputs.numbers()
        return np.clip(np.round(np.where(np.isnan(values), -1.0, values) + self.shift), -1, len(WORDS) - 1)

    def write(self, graph: Any, numbers: Any, texts: Any) -> Any:
        known = graph.op("Where", graph.op("IsNaN", numbers), graph.constant(-1.0), numbers)
        rounded = graph.op("Round", graph.op("Add", known, graph.constant(self.shift)))
        return graph.op("Clip", rounded, graph.constant(-1.0), graph.constant(len(WORDS) - 1.0))


class Rounding(BaseContender):
    """The nearest whole number is the word, after one of two shifts, of which one is right."""

    family: Any = "generative"

    def __init__(self, name: str, shifts: tuple[float, ...]) -> None:
        self.name, self.title, self.shifts = name, name.capitalize(), shifts

    def ladder(self, shape: Any) -> Any:
        return ladder_of([Rung(Effort(len(self.shifts), inner_folds=5), 1e-3)])

    def fit(self, dataset: Any, jobs: Any, effort: Any, context: Any) -> Iterator[Fitted]:
        running = context.begin()
        for job in jobs:
            asked = effort.configuration
            shifts = self.shifts if asked is None else (asked["shift"],)

            def fit_split(candidate: Any, number: int, job: Any = job) -> Any:
                member = RoundingMember(candidate.configuration["shift"])
                return member, member.predict(dataset.inputs.take(job.inner[number].test))

            candidates = [Candidate({"shift": shift}, f"shifted by {shift}") for shift in shifts]
            trials, _ = try_candidates(dataset, job, candidates, fit_split, running)
            best = best_of(trials)
            member = RoundingMember(best.candidate.configuration["shift"])
            tried = tuple(trial.to_json() for trial in trials)
            yield Fitted(self.name, job, dataset.task, (member,), best.calibration, best.out_of_fold,
                         best.candidate.configuration, best.candidate.words, tried, 1e-3, 1e-3)  # fmt: skip


class SpelledKind(Kind):
    name = "spelled"
    words = Words("line", "lines", features="numbers", data=("lines", "spelled lines"), sources="lines (.spelled)")
    form: Any = SpelledForm

    def claims(self, opened: Any) -> str | None:
        return "spelled lines" if opened.path is not None and opened.path.suffix == ".spelled" else None

    def read(self, opened: Any, options: Any, progress: Any = None) -> Dataset[Spelled]:
        content = opened.path.read_text()
        given, said = zip(*(line.split("\t") for line in content.splitlines()), strict=True)
        y = np.full((len(said), MOST), -1)
        for row, words in enumerate(said):
            y[row, : len(words.split())] = [WORDS.index(word) for word in words.split()]
        source = Source(opened.path.name, str(opened.path), sha256(content.encode()).hexdigest(), len(content))
        task = Transcription("said", WORDS, "words were given", MOST)
        return Dataset(numbered([line.split() for line in given]), y, task, np.arange(len(y)), source=source)

    def contenders(self, dataset: Any, options: Any = None, loaded: Any = None) -> list[Any]:
        return [Dummy(), Rounding("rounding", (0.4, 0.0)), Rounding("shifted", (0.4,))]


KIND = SpelledKind()
