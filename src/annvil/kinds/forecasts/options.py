"""Options of a fit that forecasts alone have."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from annvil.errors import RequestError
from annvil.options import Option, SeriesColumns, split_names
from annvil.text.safe import composed

FORECASTS = "Forecasts"
"""Where the help lists them."""


def steps_ahead(given: Any) -> int | None:
    """A horizon; 0 stands for a season."""
    from annvil.tasks.forecast import LONGEST_HORIZON  # the help of the command line loads no library

    if given is None:
        return None
    try:
        steps = int(given)
    except (TypeError, ValueError):
        steps = -1
    if not 0 <= steps <= LONGEST_HORIZON or steps != float(given):
        raise RequestError(f"--horizon is a number of steps from 1 to {LONGEST_HORIZON}; got {given!r}.")
    return steps


def _frequency(given: Any) -> str | None:
    if given is not None:
        from annvil.data.frequency import asked_frequency

        asked_frequency(str(given))
    return None if given is None else str(given)


def _season(given: Any) -> int | None:

    if given is None:
        return None
    try:
        steps = int(given)
    except (TypeError, ValueError):
        steps = 0
    if steps < 1:
        raise RequestError(f"--season is a number of steps, 1 for none; got {given!r}.")
    return steps


def _names(given: Any) -> tuple[str, ...]:
    names = split_names([given]) if isinstance(given, str) else tuple(map(str, given or ()))
    return tuple(map(composed, names))


class ForecastOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a fit may be told of forecasts."""

    horizon: Annotated[
        int | None,
        Option(
            "Forecast so many steps ahead; annvil forecast takes a season where it is not given.",
            metavar="STEPS",
            panel=FORECASTS,
            clean=steps_ahead,
        ),
    ] = None
    series: SeriesColumns = None
    known: Annotated[
        tuple[str, ...],
        Option(
            "Columns whose values are known ahead, such as price,holiday; predicting needs them for the steps ahead.",
            metavar="NAMES",
            panel=FORECASTS,
            repeated=True,
            clean=_names,
            read=split_names,
            write=lambda names: (",".join('"' + name.replace('"', '""') + '"' for name in names),),
        ),
    ] = ()
    season: Annotated[
        int | None,
        Option("Steps of a season, 1 for none. Default: found out.", metavar="STEPS", panel=FORECASTS, clean=_season),
    ] = None
    frequency: Annotated[
        str | None,
        Option(
            "Distance of two steps, such as 15min, 1h, 1d, workdays, month, quarter. Default: found out.",
            metavar="TEXT",
            panel=FORECASTS,
            clean=_frequency,
        ),
    ] = None
