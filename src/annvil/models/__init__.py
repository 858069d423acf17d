"""The contenders: one contract, simple ones and neural ones, and which compete for which kind of data."""

from __future__ import annotations

from annvil.models.contract import (
    Calibration,
    Contender,
    Context,
    Deadline,
    Effort,
    Fitted,
    Job,
    Member,
    Options,
    Origin,
    Shape,
    Split,
)
from annvil.models.registry import contenders_for, contenders_for_tables

__all__ = [
    "Calibration",
    "Contender",
    "Context",
    "Deadline",
    "Effort",
    "Fitted",
    "Job",
    "Member",
    "Options",
    "Origin",
    "Shape",
    "Split",
    "contenders_for",
    "contenders_for_tables",
]
