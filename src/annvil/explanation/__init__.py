"""Why a model predicts what it predicts: what it relies on, measured on rows it had not seen, and where it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.explanation.looking import Explanation, explain_file, explain_picture
    from annvil.explanation.permutation import Importance, importance
    from annvil.explanation.subject import Subject, open_subject

__all__ = [
    "Explanation",
    "Importance",
    "Subject",
    "explain_file",
    "explain_picture",
    "importance",
    "open_subject",
]

_HOMES = {
    "Explanation": "annvil.explanation.looking",
    "Importance": "annvil.explanation.permutation",
    "Subject": "annvil.explanation.subject",
    "explain_file": "annvil.explanation.looking",
    "explain_picture": "annvil.explanation.looking",
    "importance": "annvil.explanation.permutation",
    "open_subject": "annvil.explanation.subject",
}

__getattr__ = lazy_names(__name__, _HOMES)
