"""Sound as a kind of data: what each question of the rest of the house is answered with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from annvil.errors import RequestError
from annvil.kinds.base import Kind, Tiny
from annvil.kinds.commands import Command, Study, StudyResult
from annvil.kinds.found import Found, Loaded, Progress, Stage
from annvil.kinds.sound.options import SoundOptions
from annvil.kinds.sound.words import BASE_RATE, WORDS

if TYPE_CHECKING:
    from annvil.comparison.store import Predicted
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Arrays, Form
    from annvil.data.readers.opened import Opened
    from annvil.kinds.sound.clips import Clips
    from annvil.kinds.sound.form import SoundForm
    from annvil.models.contract import Contender
    from annvil.sections import Section


class SoundKind(Kind):
    """Clips of one rate, each with an answer."""

    name = "sound"
    words = WORDS
    Options = SoundOptions
    rank = 35
    fewest_folds = 3  # networks need hundreds of steps however few the clips are (assumed)

    @property
    def form(self) -> type[SoundForm]:
        from annvil.kinds.sound.form import SoundForm

        return SoundForm

    def conformed(self, form: SoundForm, raw: Any, where: str) -> tuple[Clips, tuple[str, ...]]:
        """`annvil.kinds.sound.conform.conform_sound`."""
        from annvil.kinds.sound.conform import conform_sound

        return conform_sound(raw, form, where)

    def from_arrays(self, form: SoundForm, arrays: Arrays, described: dict[str, Any]) -> Clips:
        """What `annvil.kinds.sound.clips.Clips.to_arrays` gave."""
        from annvil.kinds.sound.clips import Clips

        return Clips.from_arrays(form, arrays, described)

    def claims(self, opened: Opened) -> str | None:
        from annvil.kinds.sound.reading.detection import is_sound

        return is_sound(opened)

    def read(self, opened: Opened, options: Any, progress: Progress | None = None) -> Dataset[Clips]:
        from annvil.kinds.sound.reading.read_sound import read_sound

        return read_sound(opened, options, progress)

    def form_to_save(self, dataset: Dataset[Clips], tested: Predicted | None = None) -> Form:
        from annvil.kinds.sound.seen import form_with_seen

        return form_with_seen(dataset.inputs)

    def audit(self, dataset: Dataset[Clips], seed: int = 0) -> Iterator[Finding]:
        from annvil.kinds.sound.audit.audit_sound import audit_sound

        return audit_sound(dataset, seed)

    def audit_seconds(self, dataset: Dataset[Clips]) -> float:
        """Trees look for files that give their class away: their library, and the clips (measured: 3,000 of FSDD)."""
        return 2.5 + 3e-4 * dataset.n_rows

    def base_rate(self, n_rows: int) -> str:
        return BASE_RATE

    def contenders(self, dataset: Dataset[Clips], options: Any = None, loaded: Loaded | None = None) -> list[Contender]:
        from annvil.kinds.sound.contenders.registry import contenders_for_sound

        if not dataset.task.averages:  # sequences of words
            raise RequestError(
                "No contender transcribes sequences of words so far: annvil.read gives the data set. Leave out "
                "--transcripts to learn a class for each clip."
            )
        return contenders_for_sound()

    def tiny(self) -> Mapping[str, Tiny]:
        from annvil.kinds.sound.tiny import tiny

        return tiny()

    @cached_property
    def studies(self) -> Mapping[str, Study]:
        return {
            "hmm-vs-network": Study(
                "Set networks beside hidden Markov models on the same held-out clips: what they gain, clip by clip and "
                "speaker by speaker, and what both cost.",
                _networks_and_earlier,
            )
        }

    @property
    def commands(self) -> Mapping[str, Command]:
        from annvil.kinds.sound.commands import COMMANDS

        return COMMANDS

    def sections(self, stage: Stage, found: Found) -> Iterator[Section]:
        from annvil.kinds.sound.listening.held_out import keep_held_out
        from annvil.kinds.sound.sections.predictions import clips_and_predictions

        if stage is not Stage.SHIPPED:
            return
        keep_held_out(found)
        yield from clips_and_predictions(found)

    def described(self, dataset: Dataset[Clips]) -> Iterator[tuple[str, str]]:
        yield "Data", f"{dataset.source.name}: {dataset.n_rows:,} clips of {dataset.inputs.form.describe()}"
        if dataset.official_test is not None:
            yield "Apart", f"{dataset.official_test.n_rows:,} more clips of the source's own test"
        if dataset.source.details:
            yield "Reading", dataset.source.details

    def check_files(self, data: Sequence[str], *, keep: bool) -> None:
        if keep:
            raise RequestError("Clips have no columns to keep; their names are written in any case. Leave out --keep.")

    def beside(self, data: Sequence[str], inputs: Any, *, keep: bool) -> Iterator[tuple[str, Iterable[Any]]]:
        yield "clip", inputs.names()


def _networks_and_earlier(*asked: Any) -> StudyResult:
    from annvil.kinds.sound.studies.networks_and_earlier import study_networks_and_earlier

    return study_networks_and_earlier(*asked)


KIND = SoundKind()
