"""Pictures as a kind of data: what each question of the rest of the house is answered with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from annvil.errors import RequestError
from annvil.kinds.base import Explanation, Kind, Substitute, Tiny
from annvil.kinds.commands import Command, Study, StudyResult
from annvil.kinds.found import Found, Loaded, Progress, Stage
from annvil.kinds.pictures.options import PictureOptions
from annvil.kinds.pictures.words import BASE_RATE, WORDS

if TYPE_CHECKING:
    from annvil.comparison.results import Comparison
    from annvil.comparison.store import Predicted
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Arrays, Form
    from annvil.data.readers.opened import Opened
    from annvil.kinds.pictures.form import PictureForm
    from annvil.kinds.pictures.images import Images
    from annvil.models.contract import Contender
    from annvil.models.jobs import Deadline
    from annvil.models.members import Fitted
    from annvil.sections import Section
    from annvil.tasks.base import Decision


class Pictures(Kind):
    """Images of one form, each with an answer."""

    name = "pictures"
    words = WORDS
    Options = PictureOptions
    rank = 50
    fewest_folds = 3  # their fits are dear; more contenders can then be trained properly (assumed)
    passes_to_explain = 12_000  # all maps of three pictures, and what looks at some hundred (counted)

    @property
    def form(self) -> type[PictureForm]:
        from annvil.kinds.pictures.form import PictureForm

        return PictureForm

    def resized(self, form: PictureForm, graph: Any, pixels: str) -> str:
        """Pixels of any size in a graph → pixels of the form."""
        from annvil.kinds.pictures.graph_resize import write_in_form

        return write_in_form(graph, pixels, form)

    def conformed(self, form: PictureForm, raw: Any, where: str) -> tuple[Images, tuple[str, ...]]:
        """`annvil.kinds.pictures.conform.conform_images`, and what is unlike the pictures of the training."""
        from annvil.kinds.pictures.conform import conform_images

        images, notices = conform_images(raw, replace(form, seen=None), where)
        if form.seen is None:
            return images, notices
        from annvil.kinds.pictures.unlike import unlike

        return images, (*notices, *unlike(form.seen, images))

    def form_to_save(self, dataset: Dataset[Images], tested: Predicted | None = None) -> Form:
        from annvil.kinds.pictures.unlike import seen_in

        return replace(dataset.inputs.form, seen=seen_in(dataset.inputs))

    def json_schema(self, form: PictureForm) -> dict[str, Any]:
        """Of one raw row."""
        from annvil.kinds.pictures.json_pictures import schema_of

        return schema_of(form)

    def from_arrays(self, form: PictureForm, arrays: Arrays, described: dict[str, Any]) -> Images:
        """What `annvil.kinds.pictures.images.Images.to_arrays` gave."""
        from annvil.kinds.pictures.images import Images

        return Images.from_arrays(form, arrays, described)

    def claims(self, opened: Opened) -> str | None:
        from annvil.kinds.pictures.reading.detection import is_pictures, lists_pictures

        if is_pictures(opened.source):
            return "pictures"
        return "a table that names pictures" if lists_pictures(opened) else None

    def read(self, opened: Opened, options: Any, progress: Progress | None = None) -> Dataset[Images]:
        from annvil.kinds.pictures.reading.read_images import read_images

        return read_images(opened.source, opened.ask, size=options.size, workers=options.workers, progress=progress)

    def load(self, options: PictureOptions) -> Loaded | None:
        from annvil.kinds.pictures.starts.starting import start_of

        start = start_of(options.start, options.backbone)
        return None if start is None else Loaded(start.name, start.digest, start)

    def audit(self, dataset: Dataset[Images], seed: int = 0) -> Iterator[Finding]:
        from annvil.kinds.pictures.audit.audit_pictures import audit_images

        return audit_images(dataset, seed)

    def audit_seconds(self, dataset: Dataset[Images]) -> float:
        """Trees look for files that give their class away: their library, and the pictures (measured)."""
        return 2.5 + 1e-3 * dataset.n_rows

    def base_rate(self, n_rows: int) -> str:
        return BASE_RATE

    def contenders(
        self, dataset: Dataset[Images], options: Any = None, loaded: Loaded | None = None
    ) -> list[Contender]:
        from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
        from annvil.kinds.pictures.starts.starting import refusal_of

        start = None if loaded is None else loaded.what
        return contenders_for_pictures(start, refusal_of(dataset, start))

    def tiny(self) -> Mapping[str, Tiny]:
        from annvil.kinds.pictures.tiny import tiny

        return tiny()

    def improved(
        self,
        graph: bytes,
        dataset: Dataset[Images],
        fitted: Fitted,
        comparison: Comparison,
        threshold: Decision,
        deadline: Deadline,
    ) -> Substitute | None:
        from annvil.kinds.pictures.eight_bits import try_eight_bits

        return try_eight_bits(graph, dataset, fitted, comparison, threshold, deadline)

    def sections(self, stage: Stage, found: Found) -> Iterator[Section]:
        from annvil.kinds.pictures.sections.augmentation_samples import augmentation_samples
        from annvil.kinds.pictures.sections.explained import explained
        from annvil.kinds.pictures.sections.predictions import pictures_and_predictions
        from annvil.kinds.pictures.studies.race_rows import measure_the_race

        if stage is Stage.EXPLAINED:
            yield from explained(found)
            return
        yield from pictures_and_predictions(found)
        yield from augmentation_samples(found)
        again = f"annvil compare {found.place} --study dense-vs-cnn"
        yield from measure_the_race(found, again).sections()

    def explain(self, model: Path, one: Any, label: str | None = None, options: Any = None) -> Explanation:
        from annvil.kinds.pictures.explanation.explain import explain_file
        from annvil.kinds.pictures.explanation.subject import open_subject

        if isinstance(one, str | Path) and Path(one).is_dir():
            raise RequestError(f"{one} is a folder: name one picture in it.")
        return explain_file(open_subject(model), one, label=label)

    def described(self, dataset: Dataset[Images]) -> Iterator[tuple[str, str]]:
        yield "Data", f"{dataset.source.name}: pictures"
        apart = dataset.official_test
        parts = [f"{dataset.n_rows:,} of {dataset.inputs.form.describe()}"]
        parts += [f"{apart.n_rows:,} more of the source's own test kept apart"] if apart is not None else []
        yield "Pictures", "; ".join([*parts, *([dataset.source.details] if dataset.source.details else [])])

    def check_files(self, data: Sequence[str], *, keep: bool) -> None:
        if keep:
            raise RequestError(
                "Pictures have no columns to keep; their names are written in any case. Leave out --keep."
            )

    def together(self, data: Sequence[str]) -> Any:
        from annvil.kinds.pictures.conform import Files

        return data[0] if len(data) == 1 else Files(data)

    def beside(self, data: Sequence[str], inputs: Any, *, keep: bool) -> Iterator[tuple[str, Iterable[Any]]]:
        yield "picture", inputs.names()

    @cached_property
    def studies(self) -> Mapping[str, Study]:
        return {
            "dense-vs-cnn": Study(
                "Measure what a convolutional network has that a dense one lacks: accuracy, cost, pictures needed, use "
                "of structure, steadiness, transfer.",
                _dense_and_convolutional,
            )
        }

    @cached_property
    def commands(self) -> Mapping[str, Command]:
        from annvil.kinds.pictures.commands import COMMANDS

        return COMMANDS


def _dense_and_convolutional(*asked: Any) -> StudyResult:
    from annvil.kinds.pictures.studies.dense_and_convolutional import study_dense_and_convolutional

    return study_dense_and_convolutional(*asked)


KIND = Pictures()
