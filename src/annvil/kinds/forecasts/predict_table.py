"""What ``annvil predict`` writes of forecasts: a line for each step ahead of each series, with moment and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from annvil.errors import RequestError
from annvil.kinds.forecasts.options import FORECASTS, steps_ahead
from annvil.options import Option

if TYPE_CHECKING:
    from annvil.bundle import Predictor
    from annvil.kinds.forecasts.histories import Histories
    from annvil.tasks.base import FloatArray


USUAL = (80, 95)


def levels(given: Any) -> tuple[int, ...] | None:
    """Percentages from ``"80,95"`` or numbers.

    >>> levels("80,95"), levels(["80", "95"]), levels("")
    ((80, 95), (80, 95), ())
    """
    if given is None:
        return None
    parts = given.split(",") if isinstance(given, str) else [p for one in given for p in str(one).split(",")]
    try:
        found = tuple(int(part.strip().rstrip("%")) for part in parts if part.strip())
    except ValueError:
        found = (0,)
    if not all(50 <= one <= 99 for one in found):
        raise RequestError(f"--intervals takes percentages from 50 to 99, such as 80,95; got {given!r}.")
    return tuple(dict.fromkeys(found))


class ForecastPredictOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``annvil predict`` may be told of forecasts."""

    horizon: Annotated[
        int | None,
        Option(
            "Of a model that forecasts: write only so many steps. Default: all that it forecasts.",
            metavar="STEPS",
            panel=FORECASTS,
            clean=steps_ahead,
        ),
    ] = None
    intervals: Annotated[
        tuple[int, ...] | None,
        Option(
            "Of a model that forecasts: intervals that hold the truth with these percentages. Default: 80,95.",
            metavar="PERCENTS",
            panel=FORECASTS,
            clean=levels,
        ),
    ] = None


def forecast_table(
    predictor: Predictor, inputs: Histories, options: ForecastPredictOptions
) -> Iterator[tuple[str, Iterable[Any]]]:
    """Columns: the series where there are several, the moment, the forecast, and ends of intervals."""
    _refuse_beyond(inputs, options)
    return forecast_columns(predictor.raw(inputs), inputs, options)


def _refuse_beyond(inputs: Histories, options: ForecastPredictOptions) -> None:
    steps, most = options.horizon, inputs.form.horizon
    if steps == 0:
        raise RequestError(f"--horizon is a number of steps from 1 to {most} for this model; got 0.")
    if steps is not None and steps > most:
        raise RequestError(f"The model forecasts {most} steps; {steps} were asked for. Fit one with --horizon {steps}.")


def forecast_columns(
    outputs: FloatArray, inputs: Histories, options: ForecastPredictOptions, *, dated: bool = False
) -> Iterator[tuple[str, Iterable[Any]]]:
    """The same, of forecasts ``(n_rows, horizon)``; ``dated``: moments as NumPy has them and not as texts."""
    import numpy as np

    from annvil.kinds.forecasts.spread import half_widths

    _refuse_beyond(inputs, options)
    form = inputs.form
    steps = options.horizon or form.horizon
    outputs = outputs[:, :steps]
    if form.series or form.targets:
        for name, cells in _named(form.series, inputs.names()):
            yield name, np.repeat(cells, steps).tolist()
    ahead = (inputs.moments[:, None] + np.arange(1, steps + 1)).ravel()
    yield form.time or "step", form.frequency.moments(ahead) if dated else form.frequency.written(ahead)
    yield f"predicted_{form.target}", outputs.ravel().tolist()
    if not form.spread.errors:
        return
    for level in USUAL if options.intervals is None else options.intervals:
        half = half_widths(form.spread, inputs, level / 100)[:, :steps]
        yield f"low_{level}", (outputs - half).ravel().tolist()
        yield f"high_{level}", (outputs + half).ravel().tolist()


def _named(columns: tuple[str, ...], names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The columns that name the series as they were given, or as one where a name cannot be taken apart."""
    from annvil.kinds.forecasts.form import BETWEEN  # not above: forms load NumPy, and these options are read by --help

    parts = [name.split(BETWEEN) for name in names]
    if len(columns) > 1 and all(len(one) == len(columns) for one in parts):
        yield from zip(columns, zip(*parts, strict=True), strict=True)
    else:
        yield BETWEEN.join(columns) or "series", names
