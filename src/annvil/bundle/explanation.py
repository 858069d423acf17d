"""What explains a saved model, as it lies beside it: no row of the training data, and nothing that runs.

Two parts of a bundle: this record (`annvil.bundle.manifest.EXPLANATION`), and for models that are a sum a graph of what
each term adds (`annvil.bundle.manifest.TERMS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from annvil.bundle.effects import Check, Effect
from annvil.data.form import Form
from annvil.errors import BundleError
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import Task

MOST_POINTS = 64
"""Points of a background, at most."""

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One thing that predictions are attributed to.

    Attributes
    ----------
    name, kind : as the form has them
    input, place : where its value stands in the arrays that the graph takes
    low, high : range of numbers in training, or 0 and 0 where nothing is known
    spread : of numbers, what a change is measured in: their median absolute deviation, or where that is 0 their
        standard deviation; 0 where they are all the same
    whole : whether numbers were whole in training
    levels : of texts, those that enough rows have to be proposed, the most frequent first
    """

    name: str
    kind: str
    input: str
    place: Annotated[int, msgspec.Meta(ge=0)]
    low: float = 0.0
    high: float = 0.0
    spread: float = 0.0
    whole: bool = False
    levels: tuple[str, ...] = ()


class Background(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What rows are explained against: summary points that are no rows (`annvil.attribution.background`).

    Attributes
    ----------
    points : a value for each feature in order, None where it is missing
    weights : shares of the training rows that each stands for; they add up to 1
    said : how it was made, a sentence
    """

    points: tuple[tuple[float | str | None, ...], ...]
    weights: tuple[Share, ...]
    said: str = ""


class StoredTerm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One summand (`annvil.models.terms.Term`)."""

    columns: tuple[str, ...]
    features: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What explains a model.

    Attributes
    ----------
    features : in the order of the form
    background : for what is no sum
    terms, base : of a model that is a sum, its terms in the order of their contributions, and the mean score over the
        training rows, a number for each score that is explained; empty otherwise
    limits : smallest and largest target in training, within which predictions of numbers are held; None of classes
    effects, checks, sentences : of the whole model; empty until they were measured
    """

    features: tuple[Feature, ...]
    background: Background
    terms: tuple[StoredTerm, ...] = ()
    base: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None
    effects: tuple[Effect, ...] = ()
    checks: tuple[Check, ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return tuple(feature.name for feature in self.features)

    def feeds(self, form: Form) -> dict[str, Any]:
        """The background's points as the arrays that the graph takes."""
        return as_feeds(self.features, self.background.points, form)


def as_feeds(features: Sequence[Feature], points: Sequence[Sequence[float | str | None]], form: Form) -> dict[str, Any]:
    """Values of features, row by row, as the arrays that the graph of a form takes."""
    feeds: dict[str, Any] = {}
    for spec in form.graph_inputs():
        is_text = spec.dtype == "string"
        empty = np.full((len(points), *(int(size) for size in spec.shape)), "" if is_text else np.nan, dtype=object)
        feeds[spec.name] = empty if is_text else empty.astype(spec.dtype)
    for j, feature in enumerate(features):
        missing = "" if feeds[feature.input].dtype == object else np.nan
        feeds[feature.input][:, feature.place] = [missing if row[j] is None else row[j] for row in points]
    return feeds


def write_terms(write: Any, n_terms: int, n_explained: int, form: Form) -> bytes:
    """A graph of what each term adds: ``contributions``, float64 ``(rows, n_terms, n_explained)``.

    Parameters
    ----------
    write : of a graph and its raw inputs (`annvil.models.terms.Additive.write`)
    """
    graph = Graph()
    value: Value = graph.cast(write(graph, *form.enter(graph)), "float64")
    return graph.finish({"contributions": (value, "float64", ["rows", n_terms, n_explained])})


def write_explanation(explanation: Explanation) -> bytes:
    """As it lies in a bundle."""
    return msgspec.json.encode(explanation)


def read_explanation(content: bytes, form: Form, task: Task) -> Explanation:
    """What `write_explanation` wrote, its types checked, and that it fits the model.

    Raises
    ------
    BundleError
        When it is none, or contradicts the model.
    """
    try:
        found = msgspec.json.decode(content, type=Explanation)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BundleError(f"The explanation of the saved model is refused: {str(error)[:200]}.") from None
    wrong = _contradiction(found, form, len(explained_names(task)))
    if wrong:
        raise BundleError(f"The explanation of the saved model is refused: {wrong}.")
    return found


def _contradiction(found: Explanation, form: Form, n_explained: int) -> str | None:
    """What types alone cannot say."""
    sizes: Mapping[str, Any] = {spec.name: spec.shape for spec in form.graph_inputs()}
    texts = {spec.name for spec in form.graph_inputs() if spec.dtype == "string"}
    points, features = found.background.points, found.features
    placed = {(feature.input, feature.place) for feature in features}
    known = set(found.names)
    if [(one.name, one.kind) for one in features] != list(form.columns):
        return "its features are not those of the model"
    if not all(_fits(one, sizes) for one in features) or len(placed) < len(features):
        return "a feature has no place of its own"
    if not 1 <= len(points) <= MOST_POINTS or any(len(point) != len(features) for point in points):
        return f"it has not 1 to {MOST_POINTS} points, each with a value of every feature"
    if len(points) != len(found.background.weights) or abs(sum(found.background.weights) - 1) > 1e-6:
        return "the weights of its points are not one each that add up to 1"
    if not all(_typed(point, features, texts) for point in points):
        return "a point has a value of another kind"
    if len(found.base) != (n_explained if found.terms else 0):
        return "terms and base value do not fit"
    if not all(known.issuperset(term.columns) and len(term.features) == len(term.weights) for term in found.terms):
        return "a term is of features that there are not, or lacks weights"
    return None


def _fits(feature: Feature, sizes: Mapping[str, Any]) -> bool:
    shape = sizes.get(feature.input, ())
    return len(shape) == 1 and isinstance(shape[0], int) and feature.place < shape[0]


def _typed(point: Sequence[Any], features: Sequence[Feature], texts: set[str]) -> bool:
    pairs = zip(point, features, strict=True)
    return all(value is None or isinstance(value, str) == (one.input in texts) for value, one in pairs)


def explained_names(task: Task) -> tuple[str, ...]:
    """What is explained (`annvil.tasks.link.Link.explained`): ``"log-odds of 'yes'"``, or the target."""
    n = task.link.contrasts(task.n_outputs).shape[1]
    if not task.predicts_probabilities:
        return task.output_names
    names = [f"log-odds of {name!r}" for name in task.output_names[-n:]]
    return tuple(f"{name} beside the mean of all" for name in names) if n > 1 and task.one_class_a_row else tuple(names)
