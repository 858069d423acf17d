"""The contenders: one contract, simple ones and neural ones."""

from __future__ import annotations

from annvil.models.contract import (
    BaseContender,
    BaseMember,
    Calibration,
    Contender,
    Context,
    Deadline,
    Effort,
    Fitted,
    Job,
    Member,
    Origin,
    PreparationOptions,
    Shape,
    Split,
    Traits,
)

__all__ = [
    "BaseContender",
    "BaseMember",
    "Calibration",
    "Contender",
    "Context",
    "Deadline",
    "Effort",
    "Fitted",
    "Job",
    "Member",
    "Origin",
    "PreparationOptions",
    "Shape",
    "Split",
    "Traits",
]
