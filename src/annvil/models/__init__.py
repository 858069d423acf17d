"""The contenders: one contract, simple ones and neural ones."""

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
]
