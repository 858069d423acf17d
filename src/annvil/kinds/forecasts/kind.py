"""Forecasts as a kind of data: what each question of the rest of the house is answered with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from annvil.errors import RequestError
from annvil.kinds.base import Kind, Tiny
from annvil.kinds.commands import FitCommand
from annvil.kinds.forecasts.options import ForecastOptions
from annvil.kinds.forecasts.predict_table import ForecastPredictOptions
from annvil.kinds.forecasts.words import BASE_RATE, WORDS
from annvil.kinds.found import Found, Loaded, Progress, Stage

if TYPE_CHECKING:
    from annvil.bundle import Predictor
    from annvil.comparison.store import Predicted
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Arrays, Form
    from annvil.data.readers.opened import Opened
    from annvil.kinds.forecasts.form import ForecastForm
    from annvil.kinds.forecasts.histories import Histories
    from annvil.models.contract import Contender
    from annvil.sections import Section


class Forecasts(Kind):
    """Series with moments, forecast from many origins."""

    name = "forecasts"
    words = WORDS
    Options = ForecastOptions
    PredictOptions = ForecastPredictOptions
    rank = 30

    @property
    def form(self) -> type[ForecastForm]:
        from annvil.kinds.forecasts.form import ForecastForm

        return ForecastForm

    def conformed(self, form: ForecastForm, raw: Any, where: str) -> tuple[Histories, tuple[str, ...]]:
        """`annvil.kinds.forecasts.conform.conform_histories`."""
        from annvil.kinds.forecasts.conform import conform_histories

        return conform_histories(raw, form, where)

    def from_arrays(self, form: ForecastForm, arrays: Arrays, described: dict[str, Any]) -> Histories:
        """What `annvil.kinds.forecasts.histories.Histories.to_arrays` gave."""
        from annvil.kinds.forecasts.histories import Histories

        return Histories.from_arrays(form, arrays, described)

    def claims(self, opened: Opened) -> str | None:
        return "series to forecast" if opened.given.get("horizon") is not None else None

    def read(self, opened: Opened, options: Any, progress: Progress | None = None) -> Dataset[Histories]:
        from annvil.kinds.forecasts.reading.read_forecasts import read_forecasts

        return read_forecasts(opened, options)

    def audit(self, dataset: Dataset[Histories], seed: int = 0) -> Iterator[Finding]:
        from annvil.kinds.forecasts.audit import audit_forecasts

        return audit_forecasts(dataset)

    def base_rate(self, n_rows: int) -> str:
        return BASE_RATE

    def contenders(
        self, dataset: Dataset[Histories], options: Any = None, loaded: Loaded | None = None
    ) -> list[Contender]:
        from annvil.kinds.forecasts.contenders.registry import contenders_for_forecasts

        return [*contenders_for_forecasts()]

    def form_to_save(self, dataset: Dataset[Histories], tested: Predicted | None = None) -> Form:
        from annvil.kinds.forecasts.spread import measured_spread

        form: ForecastForm = dataset.inputs.form
        if tested is None:
            return form
        rows = tested.rows
        return replace(form, spread=measured_spread(dataset.inputs.take(rows), dataset.y[rows], tested.outputs))

    def check_files(self, data: Sequence[str], *, keep: bool) -> None:
        super().check_files(data, keep=False)
        if keep:
            raise RequestError("Steps ahead have no columns to keep. Leave out --keep.")

    def table(
        self, predictor: Predictor, data: Sequence[str], inputs: Histories, options: Any, *, keep: bool
    ) -> Iterator[tuple[str, Iterable[Any]]]:
        from annvil.kinds.forecasts.predict_table import forecast_table

        return forecast_table(predictor, inputs, options)

    def sections(self, stage: Stage, found: Found) -> Iterator[Section]:
        from annvil.kinds.forecasts.sections.forecasts import shown_forecasts

        return shown_forecasts(found) if stage is Stage.SHIPPED else iter(())

    @property
    def fit_commands(self) -> Mapping[str, FitCommand]:
        return {
            "forecast": FitCommand(
                "Compare networks and simpler models at forecasting your series: a verdict, a report, a model.",
                {"horizon": 0},
            )
        }

    def tiny(self) -> Mapping[str, Tiny]:
        from annvil.kinds.forecasts.tiny import tiny

        return tiny()

    def described(self, dataset: Dataset[Histories]) -> Iterator[tuple[str, str]]:
        from annvil.kinds.forecasts.contenders.columns_used import told
        from annvil.kinds.forecasts.contenders.registry import contenders_for_forecasts

        form, store = dataset.inputs.form, dataset.inputs.store
        n = len(store.names)
        yield "Data", f"{dataset.source.name}: {n:,} series of {form.target} to forecast {form.horizon} steps"
        yield "Origins", f"{dataset.n_rows:,}, each with {form.describe()}"
        if dataset.source.details:
            yield "Reading", dataset.source.details
        if columns := "; ".join(told(form, contenders_for_forecasts())):
            yield "Columns", columns


KIND = Forecasts()
