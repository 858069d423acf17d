"""Errors by where in the season a step lies: months of a year, days of a week, hours of a day, or places by number."""

from __future__ import annotations

import numpy as np

from annvil.data.frequency import DAY
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.sections import Rows, Section
from annvil.tasks.base import FloatArray, IntArray

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

MOST_PLACES = 31
"""Places of a season that are listed; of more, those with the largest errors."""


def errors_by_season(inputs: Histories, off: FloatArray, of_last: FloatArray) -> Section | None:
    """Mean scaled errors ``(n_rows, horizon)`` of the model and of the last value by place; None without a season, or
    where only some of its places were ever forecast.

    Parameters
    ----------
    off, of_last : absolute errors, divided by the scale of their row
    """
    form = inputs.form
    if form.season < 2:
        return None
    moments = inputs.moments[:, None] + np.arange(1, form.horizon + 1)
    places = moments % form.season
    counts = np.bincount(places.ravel(), minlength=form.season)
    if not counts.all():
        return None
    means = [np.bincount(places.ravel(), one.ravel(), form.season) / counts for one in (off, of_last)]
    what, names, order = named_places(form, moments[0, 0] + np.arange(form.season))
    worst, best = int(means[0].argmax()), int(means[0].argmin())
    shown = order if form.season <= MOST_PLACES else np.argsort(-means[0], kind="stable")[:MOST_PLACES]
    rows = tuple((names[k], f"{means[0][k]:.3g}", f"{means[1][k]:.3g}") for k in shown.tolist())
    sentence = f"A season has {form.season} steps. By {what.lower()}, the error is largest for {names[worst]} "
    sentence += f"({means[0][worst]:.2f}) and smallest for {names[best]} ({means[0][best]:.2f})."
    table = Rows((what, "MASE", "MASE of the last value"), rows)
    return Section("error-by-season", "Error by season", (sentence,), (), (table,), 12)


def named_places(form: ForecastForm, moments: IntArray) -> tuple[str, dict[int, str], IntArray]:
    """What a place in the season is, the name of each, and their order in the calendar; ``moments`` are a season."""
    frequency, season = form.frequency, form.season
    places = (moments % season).tolist()
    stamps = frequency.stamps(moments)
    days = np.floor(stamps / DAY).astype(np.int64)
    if frequency.unit == "month" and season * frequency.every == 12:
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
        keys, names, what = months, [MONTHS[month] for month in months], "Month"
    elif (frequency.unit == "second" and season * frequency.every == 7 * DAY == season * DAY) or (
        frequency.unit == "workday" and season == 5
    ):
        keys = (days + 3) % 7
        names, what = [DAYS[day] for day in keys], "Day"
    elif frequency.unit == "second" and season * frequency.every == DAY:
        keys = (stamps % DAY).astype(np.int64)
        names, what = [f"{second // 3600:02}:{second % 3600 // 60:02}" for second in keys.tolist()], "Time"
    else:
        keys = moments % season
        names, what = [str(place + 1) for place in places], "Place"
    order = np.array(places)[np.argsort(keys, kind="stable")]
    return what, dict(zip(places, names, strict=True)), order
