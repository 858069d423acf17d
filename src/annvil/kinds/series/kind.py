"""Series as a kind of data: what each question of the rest of the house is answered with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.kinds.base import Explanation, Kind, Tiny
from annvil.kinds.commands import Study, StudyResult
from annvil.kinds.found import Found, Loaded, Progress, Stage
from annvil.kinds.series.options import SeriesOptions
from annvil.kinds.series.words import BASE_RATE, WORDS

if TYPE_CHECKING:
    from annvil.comparison.store import Predicted
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Arrays, Form
    from annvil.data.readers.opened import Opened
    from annvil.kinds.series.form import SeriesForm
    from annvil.kinds.series.series import Series
    from annvil.models.contract import Contender
    from annvil.sections import Section


class SeriesKind(Kind):
    """Series of one form, each with an answer."""

    name = "series"
    words = WORDS
    Options = SeriesOptions
    rank = 40
    fewest_folds = 3  # networks need hundreds of steps however few the series are; more of them get a turn (assumed)
    passes_to_explain = 4_000  # maps of five series and their tests (counted)

    @property
    def form(self) -> type[SeriesForm]:
        from annvil.kinds.series.form import SeriesForm

        return SeriesForm

    def conformed(self, form: SeriesForm, raw: Any, where: str) -> tuple[Series, tuple[str, ...]]:
        """`annvil.kinds.series.conform.conform_series`."""
        from annvil.kinds.series.conform import conform_series

        return conform_series(raw, form, where)

    def from_arrays(self, form: SeriesForm, arrays: Arrays, described: dict[str, Any]) -> Series:
        """What `annvil.kinds.series.series.Series.to_arrays` gave."""
        from annvil.kinds.series.series import Series

        return Series.from_arrays(form, arrays, described)

    def claims(self, opened: Opened) -> str | None:
        from annvil.kinds.series.reading.detection import is_series

        return is_series(opened)

    def read(self, opened: Opened, options: Any, progress: Progress | None = None) -> Dataset[Series]:
        from annvil.kinds.series.reading.read_series import read_series

        return read_series(opened, options, progress)

    def form_to_save(self, dataset: Dataset[Series], tested: Predicted | None = None) -> Form:
        from annvil.kinds.series.series import form_with_ranges

        return form_with_ranges(dataset.inputs)

    def audit(self, dataset: Dataset[Series], seed: int = 0) -> Iterator[Finding]:
        from annvil.kinds.series.audit.audit_series import audit_series

        return audit_series(dataset, seed)

    def recognises(self, dataset: Dataset[Any]) -> Iterator[Finding]:
        from annvil.data.table import Table
        from annvil.kinds.series.recognition import looks_like_series

        return looks_like_series(dataset) if isinstance(dataset.inputs, Table) else iter(())

    def base_rate(self, n_rows: int) -> str:
        return BASE_RATE

    def contenders(
        self, dataset: Dataset[Series], options: Any = None, loaded: Loaded | None = None
    ) -> list[Contender]:
        from annvil.kinds.series.contenders.registry import contenders_for_series

        return contenders_for_series()

    def tiny(self) -> Mapping[str, Tiny]:
        from annvil.kinds.series.tiny import tiny

        return tiny()

    def sections(self, stage: Stage, found: Found) -> Iterator[Section]:
        from annvil.kinds.series.sections.explained import explained
        from annvil.kinds.series.sections.predictions import series_and_predictions

        yield from series_and_predictions(found) if stage is Stage.SHIPPED else explained(found)

    def explain(self, model: Path, one: Any, label: str | None = None, options: Any = None) -> Explanation:
        from annvil.kinds.series.explanation.explain import explain_source, open_subject

        return explain_source(open_subject(model), one, label=label)

    @cached_property
    def studies(self) -> Mapping[str, Study]:
        return {
            "feedback-vs-feedforward": Study(
                "Measure what memory is worth: the order of steps, the length of history, how far gradients reach, "
                "time, streaming, longer series, series needed.",
                _feedback_and_feedforward,
            )
        }

    def described(self, dataset: Dataset[Series]) -> Iterator[tuple[str, str]]:
        details = dataset.source.details
        yield "Data", f"{dataset.source.name}: {dataset.n_rows:,} series of {dataset.inputs.form.describe()}"
        if details:
            yield "Reading", details

    def check_files(self, data: Sequence[str], *, keep: bool) -> None:
        super().check_files(data[:1], keep=keep)  # several files: a series each

    def beside(self, data: Sequence[str], inputs: Any, *, keep: bool) -> Iterator[tuple[str, Iterable[Any]]]:
        yield "series", inputs.names()


def _feedback_and_feedforward(*asked: Any) -> StudyResult:
    from annvil.kinds.series.studies.feedback_and_feedforward import study_feedback_and_feedforward

    return study_feedback_and_feedforward(*asked)


KIND = SeriesKind()
