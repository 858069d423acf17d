"""A data set of forecasts: regular series, and the origins from which they are forecast."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.data.dataset import ColumnNote, Dataset
from annvil.data.readers.opened import Opened
from annvil.data.readers.raw import RawTable
from annvil.data.readers.samples import DEFAULT_TARGET
from annvil.errors import DataError, RequestError
from annvil.kinds.forecasts.form import Covariate, ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.kinds.forecasts.options import ForecastOptions
from annvil.kinds.forecasts.reading.long_table import Long, column_of, read_covariate, read_rows, read_target, time_in
from annvil.kinds.forecasts.reading.origins import FEWEST_ORIGINS, dataset_of, parts_of, store_of
from annvil.kinds.forecasts.reading.regular import Regular, make_regular, shown_stamp
from annvil.kinds.forecasts.reading.seasons import LONGEST_SEASON, find_seasons
from annvil.options import split_names
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed, quoted
from annvil.text.quantities import number

LONGEST_WINDOW = 512
"""Past values that a model is shown unless a horizon or season asks for more (assumed)."""


@dataclass(frozen=True)
class Roles:
    """Columns of a table, by what they are."""

    targets: tuple[str, ...]
    time: str | None
    series: tuple[str, ...]
    known: tuple[str, ...]
    others: tuple[str, ...]
    found: bool = False
    """Whether the time was found, not named."""


def read_forecasts(opened: Opened, options: ForecastOptions) -> Dataset[Histories]:
    """The series, and an answer for each origin.

    Raises
    ------
    DataError, RequestError
        With file, series and moment, and what to change.
    """
    raw, ask = opened.table, opened.ask
    roles = _roles(raw, opened, options)
    regular, found, notes = _series(raw, roles, ask.missing, options.frequency)
    where = raw.source.name
    parts = _known_parts(regular)
    periods = regular.frequency.seasons()
    season, long, strength = find_seasons(parts, periods)
    said = [*regular.said]
    if roles.found:
        said.insert(0, f"{roles.time!r} is taken for the time")
    elif roles.time is None:
        said.insert(0, "rows are the steps, in their order")
    if options.season is not None:
        season = options.season
    elif season > 1:
        said.append(f"a season of {season} steps was found (autocorrelation {strength:.2f})")
    else:
        said.append(f"no season of up to {LONGEST_SEASON} steps was found" if long else "no season was found")
    if long:
        told = listed([number(period) for period in long])
        said.append(f"periods of about {told} steps are described by waves")
    horizon = options.horizon or season
    if options.horizon == 0 and season == 1:
        raise RequestError(f"No season was found in {where}; say how many steps to forecast (--horizon).")
    _refuse_short(regular, parts, season, horizon, where)
    window = _window(parts, season, horizon)
    target = roles.targets[0] if len(roles.targets) == 1 else "value"
    form = ForecastForm(
        target=target,
        horizon=horizon,
        window=window,
        season=season,
        periods=(float(season), *long) if season > 2 else long,
        frequency=regular.frequency,
        time=roles.time,
        series=roles.series,
        targets=roles.targets if len(roles.targets) > 1 else (),
        known=found["known"],
        past=found["past"],
        statics=found["statics"],
        missing=tuple(ask.missing),
    )
    source = replace(raw.source, details="; ".join(filter(None, [raw.source.details, *said])))
    store = store_of(regular, form, tuple(said))
    dataset = dataset_of(store, source, notes, regular.filled)
    if dataset.n_rows < FEWEST_ORIGINS:
        raise DataError(
            f"{where} has {dataset.n_rows} measured values with {horizon} steps behind them; at least {FEWEST_ORIGINS} "
            "are needed. Ask for a shorter horizon."
        )
    return dataset


def _roles(raw: RawTable, opened: Opened, options: ForecastOptions) -> Roles:
    ask = opened.ask
    where = raw.source.name
    for name, given in (("--groups", ask.groups), ("--task", ask.task)):
        if given:
            raise RequestError(f"{name} does not go with forecasts, which are divided by time; leave it out.")
    targets = (ask.target,) if isinstance(ask.target, str) else tuple(ask.target or ())
    if not targets and opened.is_sample and DEFAULT_TARGET in raw.names:
        targets = (DEFAULT_TARGET,)
    if not targets:
        columns = listed([quoted(name) for name in raw.names], 12)
        raise RequestError(f"Name the column of {where} to forecast (--target); its columns are {columns}.")
    time = ask.time or ("time" if opened.is_sample and "time" in raw.names else None)
    series = split_names([options.series]) if options.series else ()
    by_role = {"target": targets, "time": [time] if time else [], "series": series, "known": options.known}
    for role, names in by_role.items():
        for name in names:
            column_of(raw, name, role)
    named = [name for names in by_role.values() for name in names]
    if len(set(named)) < len(named):
        raise RequestError(f"target, time, series and known must be different columns; got {listed(named, 12)}.")
    if len(targets) > 1 and series:
        raise RequestError("Several targets are a series each; with --series name one target.")
    left = [name for name in raw.names if name not in named and name not in ask.drop]
    if ask.columns is not None:
        left = [name for name in left if name in ask.columns]
    found = time_in(raw, left) if time is None else None
    if found is not None:
        left.remove(found)
    return Roles(targets, time or found, tuple(series), options.known, tuple(left), found is not None)


def _series(
    raw: RawTable, roles: Roles, missing: Collection[str], asked: str | None
) -> tuple[Regular, dict[str, tuple[Covariate, ...]], list[ColumnNote]]:
    """The series on their grid, the covariates by role, and a note on every column."""
    long = read_rows(raw, roles.time, roles.series, missing)
    target = [read_target(raw, name, missing) for name in roles.targets]
    notes = {name: _note(name, "target", "what is forecast") for name in roles.targets}
    notes |= {name: _note(name, "role", "the time") for name in ([roles.time] if roles.time else [])}
    notes |= {name: _note(name, "role", "names the series") for name in roles.series}
    covariates: dict[str, FloatArray] = {}
    found: dict[str, list[Covariate]] = {"known": [], "past": [], "statics": []}
    for name in (*roles.known, *roles.others):
        read = read_covariate(raw[name], missing, raw.habit)
        if read is None:
            if name in roles.known:
                raise DataError(f"Column {name!r} of {raw.source.name} holds neither numbers nor few different texts.")
            notes[name] = _note(name, "dropped", "neither numbers nor few different texts", used=False)
            continue
        covariate, values = read
        role = "known" if name in roles.known else _role(long, values)
        if role in found:
            covariates[name] = values
            found[role].append(covariate)
        what = {"known": "known ahead", "past": "known up to the origin", "statics": "one value for each series"}
        notes[name] = _note(name, role, what.get(role, "the same everywhere"), used=role in found)
    k = len(roles.targets)
    if k > 1:
        n = raw.n_rows
        long = Long(np.repeat(np.arange(k), n), roles.targets, np.tile(long.stamps, k), long.dated, long.said)
        covariates = {name: np.tile(values, (k, 1)) for name, values in covariates.items()}
    regular = make_regular(long, np.concatenate(target), covariates, raw.source.name, asked=asked)
    groups = {role: tuple(group) for role, group in found.items()}
    return (
        regular,
        groups,
        [notes.get(name, _note(name, "dropped", "dropped as asked", used=False)) for name in raw.names],
    )


def _note(name: str, kind: str, reason: str, *, used: bool = True) -> ColumnNote:
    return ColumnNote(name, kind, used, reason, 0, 0)


def _role(long: Long, values: FloatArray) -> str:
    """Whether a column changes inside series, between them only, or not at all."""
    n = len(long.names)
    low, high = np.full((n, values.shape[1]), np.inf), np.full((n, values.shape[1]), -np.inf)
    np.minimum.at(low, long.series, np.where(np.isnan(values), np.inf, values))
    np.maximum.at(high, long.series, np.where(np.isnan(values), -np.inf, values))
    if (low < high).any():
        return "past"
    return "statics" if (low.min(axis=0) < high.max(axis=0)).any() else "constant"


def _known_parts(regular: Regular) -> list[FloatArray]:
    return parts_of(regular.values, regular.starts)


def _refuse_short(regular: Regular, parts: Sequence[FloatArray], season: int, horizon: int, where: str) -> None:
    for name, part, first in zip(regular.names, parts, regular.first.tolist(), strict=True):
        one = f", series {name!r}," if len(parts) > 1 else ""
        last = regular.frequency.stamps(np.array([first + len(part) - 1]))[0]
        until = f"up to {shown_stamp(last, regular.frequency.is_dated)}" if regular.frequency.is_dated else ""
        if len(part) < season:
            raise DataError(
                f"{where}{one} has {len(part)} steps {until}, fewer than a season of {season}. Leave that series out, "
                "or say --season 1."
            )
    longest = max(map(len, parts))
    if longest < horizon + FEWEST_ORIGINS + 1:
        raise DataError(
            f"{where} has {longest} steps{' in its longest series' if len(parts) > 1 else ''}; to learn to forecast "
            f"{horizon} steps and to test it, at least {horizon + FEWEST_ORIGINS + 1} are needed. Ask for a shorter "
            "horizon."
        )


def _window(parts: Sequence[FloatArray], season: int, horizon: int) -> int:
    """Past values that a model is shown: four seasons or three and a half horizons, no more than a third of a usual
    history, but two seasons."""
    usual = int(np.median([len(part) for part in parts]))
    wanted = max(4 * season, int(3.5 * horizon), 32)
    wanted = min(wanted, max(LONGEST_WINDOW, 2 * season))
    wanted = max(min(wanted, (usual - horizon) // 3), min(2 * season, usual - horizon), 2)
    return wanted // season * season if wanted >= season else wanted
