"""Which columns beside the last values a contender sees: declared with each of them, and tested for all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from annvil.kinds.forecasts.form import ForecastForm
from annvil.models.contract import Contender
from annvil.text.phrases import listed

Role = Literal["known", "past", "statics"]

ROLES: dict[Role, str] = {
    "known": "known ahead",
    "past": "known up to the origin",
    "statics": "one value for each series",
}
"""As people are told."""


class Forecasting(Contender, Protocol):
    """A contender for forecasts; ``uses``: the columns that change what it says."""

    uses: tuple[Role, ...]


def columns_by_role(form: ForecastForm) -> dict[Role, list[str]]:
    """Names of the columns of each role that has any."""
    groups = {"known": form.known, "past": form.past, "statics": form.statics}
    return {role: [one.name for one in groups[role]] for role in ROLES if groups[role]}


def told(form: ForecastForm, contenders: list[Forecasting]) -> Iterator[str]:
    """A sentence for each role: which columns have it, and who sees them."""
    for role, names in columns_by_role(form).items():
        who = [one.title for one in contenders if role in one.uses]
        yield f"{listed(names, 12)} ({ROLES[role]}): seen by {listed(who, 12)}"
