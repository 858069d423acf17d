"""What a kind of data is to the rest of the house: one object that reads, checks, names contenders and shows.

A kind is a folder below `annvil.kinds`, or a package of somebody else's that registers its object by an entry point
(`annvil.data.plugins`). `Kind` has an answer for everything that a kind may leave out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from annvil.errors import RequestError
from annvil.kinds.commands import Command, FitCommand, Study
from annvil.kinds.found import Found, Loaded, Progress, Stage
from annvil.text.words import ROWS, Words

if TYPE_CHECKING:  # a saved model asks its kind for a form: that must load no library for training
    from annvil.bundle import Predictor
    from annvil.comparison.problem import Problem
    from annvil.comparison.results import Comparison
    from annvil.comparison.store import Predicted
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Form, Inputs
    from annvil.data.readers.opened import Opened
    from annvil.explanation.permutation import Importance
    from annvil.models.contract import Contender
    from annvil.models.jobs import Deadline
    from annvil.models.members import Fitted
    from annvil.sections import Section
    from annvil.tasks.base import Decision


@dataclass(frozen=True)
class Substitute:
    """A graph that may ship in place of the one exported: None where it does not pay; and a sentence with numbers."""

    graph: bytes | None
    said: str


@dataclass(frozen=True)
class Tiny:
    """A data set so small that any contender learns from it in a second or two, for the tests that all must pass.

    ``strange`` are inputs as they may come later: empty, extreme, never seen. ``candidates`` are tried by each; one
    where a candidate is a whole training.
    """

    dataset: Dataset[Any]
    strange: Inputs
    candidates: int = 2


class Explanation(Protocol):
    """Of one thing that a model predicted."""

    def sentences(self) -> Sequence[str]:
        """What there is to say."""

    def written(self, ending: str) -> bytes:
        """As a file, of one of the endings that the kind names (`Kind.explained_as`)."""

    def to_json(self) -> Any:
        """JSON-able."""


class NoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """For kinds without options of their own."""


class Kind:
    """One kind of data. Whatever is not said otherwise holds for kinds that have no more to offer.

    Attributes
    ----------
    name : of its folder; the tag of its forms
    words : what things are called
    Options : options beside those of every kind
    PredictOptions, ExplainOptions : options of ``annvil predict`` and ``annvil explain`` for models of this kind
    explained_as : endings of the files that an explanation can be written as
    fewest_folds : test folds with which a comparison can do where fits are dear (`Economics.fewest_folds`)
    passes_to_explain, refits_to_explain : predictions and fits that explaining a model takes (`Economics`)
    rank : kinds are asked in this order, small numbers first, whether a source is theirs
    """

    name: ClassVar[str]
    words: ClassVar[Words] = ROWS
    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    PredictOptions: ClassVar[type[msgspec.Struct]] = NoOptions
    ExplainOptions: ClassVar[type[msgspec.Struct]] = NoOptions
    explained_as: ClassVar[tuple[str, ...]] = (".png",)
    rank: ClassVar[int] = 0
    fewest_folds: ClassVar[int | None] = None
    passes_to_explain: ClassVar[int] = 0
    refits_to_explain: ClassVar[int] = 0

    @property
    def form(self) -> type[Form]:
        """The class of its forms."""
        raise NotImplementedError

    def claims(self, opened: Opened) -> str | None:
        """Why this source is of this kind, completing "it is …", or None where it is not."""
        raise NotImplementedError

    def read(self, opened: Opened, options: Any, progress: Progress | None = None) -> Dataset[Any]:
        """The data set. Raises `DataError` or `RequestError` with what to change."""
        raise NotImplementedError

    def form_to_save(self, dataset: Dataset[Any], tested: Predicted | None = None) -> Form:
        """The form of a model that learnt from these inputs, perhaps with what they hold: rows to predict that are
        unlike them can then be told of. ``tested`` is what was predicted for rows that no model had seen, from which
        follows how far predictions are off. Default: the form as it is."""
        form: Form = dataset.inputs.form
        return form

    def explaining(self, dataset: Dataset[Any], fitted: Fitted | None) -> Mapping[str, bytes]:
        """Parts that a saved model carries so that it can be explained later, by name: see
        `annvil.bundle.explanation`. ``fitted`` is None where the model that ships is not that of all rows. Default:
        none."""
        return {}

    def contenders(self, dataset: Dataset[Any], options: Any = None, loaded: Loaded | None = None) -> list[Contender]:
        """Who competes, in the order in which they run and are shown; the dummy first."""
        raise NotImplementedError

    def load(self, options: Any) -> Loaded | None:
        """What the fit rests on beside the data, if anything."""
        return None

    def audit(self, dataset: Dataset[Any], seed: int = 0) -> Iterator[Finding]:
        """What is wrong or strange, in no order."""
        return iter(())

    def audit_seconds(self, dataset: Dataset[Any]) -> float:
        """How long it takes on a quiet machine, where that is much: short budgets are refused before it."""
        return 0.0

    def recognises(self, dataset: Dataset[Any]) -> Iterator[Finding]:
        """Signs that data which another kind has read are rather of this one, and what to say then."""
        return iter(())

    def base_rate(self, n_rows: int) -> str:
        """A sentence with its sources on how often networks are worth it on such data; empty where nothing is known."""
        return ""

    def problem(self, dataset: Dataset[Any]) -> Problem:
        """The data set as a comparison sees it."""
        from annvil.comparison.data_problem import DataProblem
        from annvil.comparison.problem import Economics

        economics = Economics(self.base_rate, self.fewest_folds, self.passes_to_explain, self.refits_to_explain)
        return DataProblem(dataset, self.words, economics)

    def improved(
        self,
        graph: bytes,
        dataset: Dataset[Any],
        fitted: Fitted,
        comparison: Comparison,
        threshold: Decision,
        deadline: Deadline,
    ) -> Substitute | None:
        """A quicker or smaller graph of the model that ships, with what it costs; None where nothing was tried."""
        return None

    def importance(self, found: Found) -> tuple[tuple[Importance, ...], int]:
        """What each feature is worth to the recommended contender, and on how many rows that was measured."""
        return (), 0

    def sections(self, stage: Stage, found: Found) -> Iterator[Section]:
        """What can be looked at, as it is made."""
        return iter(())

    def explain(self, model: Path, one: Any, label: str | None = None, options: Any = None) -> Explanation:
        """Why the model in this folder says what it says of one thing, or of several; ``options`` are `ExplainOptions`.

        Raises
        ------
        RequestError
            Where that cannot be explained.
        """
        raise RequestError(f"{model} is about {self.words.data[1]}, and single {self.words.rows} are not explained.")

    def explain_whole(self, model: Path) -> Explanation:
        """What the model in this folder does, whatever it is given; raises as `explain` does."""
        raise RequestError(
            f"Name what is to be explained: {self.words.new}. Whole models of {self.words.data[0]} are not."
        )

    def described(self, dataset: Dataset[Any]) -> Iterator[tuple[str, str]]:
        """What was read, for people: a label and a text each, the first of them ``"Data"``."""
        source = dataset.source
        yield "Data", f"{source.name}: {self.words.count(dataset.n_rows)}{'; ' * bool(source.details)}{source.details}"

    def check_files(self, data: Sequence[str], *, keep: bool) -> None:
        """Refuse files that cannot be predicted together, or of which no columns can be kept beside the predictions.

        Raises
        ------
        RequestError
            With what to change.
        """
        if len(data) > 1:
            raise RequestError(
                f"The model predicts the {self.words.rows} of one file at a time; got {len(data)} files."
            )
        if keep:
            raise RequestError(f"{self.words.rows.capitalize()} have no columns to keep. Leave out --keep.")

    def together(self, data: Sequence[str]) -> Any:
        """Files that are predicted together, as the form takes them: the only one, or a list."""
        return data[0] if len(data) == 1 else list(data)

    def beside(self, data: Sequence[str], inputs: Any, *, keep: bool) -> Iterator[tuple[str, Iterable[Any]]]:
        """Columns in front of predictions in a CSV file: what they are about, and with ``keep`` what the file holds."""
        return iter(())

    def table(
        self, predictor: Predictor, data: Sequence[str], inputs: Any, options: Any, *, keep: bool
    ) -> Iterator[tuple[str, Iterable[Any]]]:
        """Columns of the CSV file that ``annvil predict`` writes for these inputs; default: `beside`, then what the
        task says of each of them. ``options`` are `PredictOptions`."""
        yield from self.beside(data, inputs, keep=keep)
        yield from predictor.task.columns(predictor.raw(inputs), predictor.manifest.info.threshold)

    def tiny(self) -> Mapping[str, Tiny]:
        """By what is asked ("binary", …): what the tests of all contenders fit; the first of them most often."""
        return {}

    @property
    def studies(self) -> Mapping[str, Study]:
        """By name."""
        return {}

    @property
    def fit_commands(self) -> Mapping[str, FitCommand]:
        """By name."""
        return {}

    @property
    def commands(self) -> Mapping[str, Command]:
        """By name."""
        return {}
