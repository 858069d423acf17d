"""One series explained: what the model says, which part of it that rests on, and whether the map can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from annvil.bundle import load
from annvil.errors import RequestError
from annvil.explanation.deletion import ROUNDING, Deletion
from annvil.explanation.subject import ExplainedModel
from annvil.kinds.series.explanation.occlusion import Values, deletions, occlusion
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.sections.drawing import MOST_CHANNELS, over_steps
from annvil.kinds.series.series import Series
from annvil.plots.charts.panels import Panel, Panels, drawn
from annvil.tasks.base import FloatArray, Task
from annvil.text.quantities import number, percent

HALF = 0.5
"""Share of all that speaks for the output by which its place is told."""


SIGNS_A_LINE = 100
"""Of the sentences above the picture."""


@dataclass(frozen=True)
class Subject(ExplainedModel):
    """A model of series."""

    @property
    def form(self) -> SeriesForm:
        """Its channels."""
        form = self.predictor.form
        assert isinstance(form, SeriesForm)
        return form

    def outputs(self, things: Values) -> FloatArray:
        """Probabilities or values ``(n, n_outputs)`` for series of one length, float32 ``(n, channels, steps)``."""
        return self.predictor.raw(series_from_arrays(np.ascontiguousarray(things), self.form))


@dataclass(frozen=True)
class Explanation:
    """Why a model says what it says of one series.

    Attributes
    ----------
    name : of the series
    values : float32 ``(channels, steps)``
    channels : their names
    task : the question
    outputs : probabilities or the value ``(n_outputs,)``
    decided, output : column that the model decides for, and the one that is explained
    importance : what the output loses where a step is covered ``(steps,)``
    deletion : the test of it
    notices : what should be known beside
    """

    name: str
    values: Values
    channels: tuple[str, ...]
    task: Task
    outputs: FloatArray
    decided: int
    output: int
    importance: FloatArray
    deletion: Deletion
    notices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The explained class, or the name of the number."""
        return self.task.output_names[self.output]

    @property
    def trusted(self) -> bool:
        """Whether the map passed its test."""
        return self.deletion.passed and bool(np.ptp(self.importance) > 0)

    @property
    def said(self) -> str:
        """What the model says of the series, a sentence."""
        if not self.task.predicts_probabilities:
            return f"The model says {self.task.target} = {number(self.outputs[0])}."
        said = (
            f"The model says {self.task.classes[self.decided]!s} ({percent(self.outputs[self.decided], brief=True)})."
        )
        if self.output != self.decided:
            said += f" Explained is what speaks for {self.label} ({percent(self.outputs[self.output], brief=True)})."
        return said

    def sentences(self) -> tuple[str, ...]:
        """All there is to say, in order: what makes the map doubtful before the map."""
        found = [self.said, *self.notices, self.conclusion, self.deletion.in_words()]
        if self.trusted:
            found.insert(-1, where_in_words(self.importance, self.deletion.of_number))
        return tuple(found)

    @property
    def conclusion(self) -> str:
        """Whether the map can be trusted, a sentence."""
        if not self.deletion.has_effect:
            return "The map of this series cannot be tested: do not conclude from it what the model relies on."
        if not self.trusted:
            return "Do not trust the map of this series: it is not clearly better than chance."
        return "The map passed its test: what it marks is what the model relies on."

    def chart(self, key: str = "explained", title: str = "") -> Panels:
        """The series above what each of its steps is worth to the output."""
        shown = self.values[:MOST_CHANNELS]
        called = self.channels if len(self.channels) > 1 else ("",)
        series = [
            Panel((over_steps(one.astype(np.float64), colour=0),), called[place]) for place, one in enumerate(shown)
        ]
        doubt = "" if self.trusted else "Do not trust: "
        for_it = "what speaks for" if self.task.predicts_probabilities else "what raises"
        worth = over_steps(self.importance, colour=1, fill=True)
        panels = (*series, Panel((worth,), f"{doubt}{for_it} {self.label} (above 0)", bool(doubt)))
        return Panels(key, title or self.said, self.conclusion, panels, "step", height=120)

    def png(self) -> bytes:
        """The series above its map, as a PNG file; needs Pillow."""
        from annvil.plots.png import png
        from annvil.plots.standalone import alone

        lines = [f"{self.name}: {self.said}", *self.notices, self.conclusion]
        heading = [part for line in lines for part in wrap(line, SIGNS_A_LINE)]
        drawing, title, told = drawn(self.chart(), 700, heading)
        return png(alone(drawing, "explained", title, told))

    def written(self, ending: str) -> bytes:
        """The only file there is: `png`."""
        return self.png()

    def to_json(self) -> dict[str, Any]:
        """For machines; JSON-able."""
        return {
            "series": self.name,
            "said": self.said,
            "explained": self.label,
            "outputs": self.outputs.tolist(),
            "notices": list(self.notices),
            "importance": self.importance.round(6).tolist(),
            "trusted": self.trusted,
            "testable": self.deletion.has_effect,
            "effect": self.deletion.effect,
            "gain": self.deletion.gain,
            "gap": self.deletion.gap,
            "as_good_by_chance": self.deletion.by_chance,
            "sentences": list(self.sentences()),
        }


def open_subject(path: str | Path) -> Subject:
    """The model of series saved at ``path``: a bundle's folder or zip file."""
    return Subject(load(path))


def explain_series(subject: Subject, values: Values, *, output: int | None = None, name: str = "") -> Explanation:
    """The map of one series ``(channels, steps)`` and its test; ``output``: default, what the model decides for.

    A channel without values is 0 here, as far as covering goes: it has nothing to lose.
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float32))
    outputs = subject.outputs(values[None])[0]
    decided = subject.decided(outputs)
    output = decided if output is None else output
    importance = occlusion(subject.scores(output), values)
    (deletion,) = deletions(
        subject.losses(values, output),
        values,
        [importance],
        of_number=not subject.task.predicts_probabilities,
        least=ROUNDING * abs(float(outputs[output])),
    )
    return Explanation(
        name, values, subject.form.channels, subject.task, outputs, decided, output, importance, deletion
    )


def where_in_words(importance: FloatArray, of_number: bool = False) -> str:
    """Where half of what speaks for the output lies, as steps; a sentence."""
    for_it = np.abs(importance) if of_number else np.maximum(importance, 0.0)
    if for_it.sum() <= 0:
        return "Nothing in the series speaks for it."
    order = np.argsort(-for_it, kind="stable")
    until = int(np.searchsorted(np.cumsum(for_it[order]), HALF * for_it.sum())) + 1
    steps = np.sort(order[:until])
    runs = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
    longest = sorted(sorted(runs, key=len, reverse=True)[:3], key=lambda run: int(run[0]))
    places = " and ".join(f"{run[0]:,}" if len(run) == 1 else f"{run[0]:,} to {run[-1]:,}" for run in longest)
    what = "moves it" if of_number else "speaks for it"
    more = "" if len(runs) <= len(longest) else ", among others"
    return f"Half of what {what} lies in {until / len(importance):.0%} of the series: steps {places}{more} (from 0)."


def explain_source(subject: Subject, source: Any, *, label: str | None = None) -> Explanation:
    """The explanation of a series given as a path, a frame or an array, the first where there are several; ``label``:
    the class to explain.

    Raises
    ------
    DataError, RequestError
        When it cannot be read, there is none, or the class is unknown.
    """
    conformed = subject.predictor.conform(source, where="the series to explain")
    series = conformed.inputs
    assert isinstance(series, Series)
    if not series.n_rows:
        raise RequestError("There is no series to explain.")
    output = None if label is None else subject.output_named(label)
    several = f"The first of {series.n_rows:,} series is explained; for another, give a file with that one alone."
    notices = (*conformed.notices, *([several] if series.n_rows > 1 else []))
    return replace(explain_series(subject, series.one(0), output=output, name=series.names()[0]), notices=notices)
