"""Networks that go on from a trained one: a new head on what it sees in the pictures, then all of it trained on.

First the body stays as it is: its features of every picture are computed once, and a linear head on them costs next to
nothing (a logistic regression, or a ridge). Then everything learns, the lower layers more slowly (discriminative rates,
Howard and Ruder 2018, arXiv 1801.06146, section 3.2), beginning with that head, so that the first steps do no harm
(Kumar et al. 2022, arXiv 2202.10054). Held-out pictures decide which of the two is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.member import PictureMember
from annvil.kinds.pictures.contenders.picture_family import held_out
from annvil.kinds.pictures.contenders.transfer_family import TransferFamily, TransferSettings, varied, wanted_epochs
from annvil.kinds.pictures.contenders.transfer_heads import Head, features_of, fit_head
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.starts.pretrained import Start, shipped_start
from annvil.models.contract import BaseContender, Family
from annvil.models.jobs import Context, Effort, Job, Json, PreparationOptions, Rung, Running, Shape
from annvil.models.ladder import ladder_of
from annvil.models.measurement import Stopwatch
from annvil.models.members import Fitted
from annvil.models.networks.family import TrainingData
from annvil.models.networks.populations import Trained, train_one
from annvil.models.selection import Candidate, Trial, best_of, judge
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import nn

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Of the head on standardised features. Ten to thirty are best for ten pictures a class (measured on clothes, digits
and brain scans)."""

FEW_ROWS = 2_000
"""Up to so many training pictures the inner folds judge, and the network that is kept learns from all; beyond, one
holdout judges and what learnt beside it is kept (assumed)."""

MOST_FOLDS = 2
"""Inner folds that judge: each costs a training (assumed)."""

TRAINING_RATE, LOOKING_RATE = 1.5e11, 6.0e10
"""Multiplications and additions a second: forward and backward, half of what one core did in bfloat16 when it made the
network that ships; forward alone in float32, what one busy core did (measured)."""

HEAD_SECONDS = 2.5
"""Of a job, for heads with all penalties, whatever comes after (3 s with 900 digits; measured)."""

MANY_ROWS = 5_000
"""From so many training pictures on, the network that ships does not compete unless asked for: see
docs/decisions/0064-transfer.md."""

LEAST_SIDE = 4


class Transfer(BaseContender):
    """The contender.

    Parameters
    ----------
    start : the network to go on from; None: the one that ships
    refusal : why it must not compete on this data, in a sentence, or None
    """

    name = "transfer"
    family: Family = "network"

    def __init__(self, start: Start | None = None, refusal: str | None = None) -> None:
        self._asked, self._refusal = start, refusal
        asked = start is not None and not start.is_default
        self.title = "Network from the one given" if asked else "Pretrained network"

    @cached_property
    def start(self) -> Start:
        """The network to go on from; the one that ships is read when it is first needed."""
        return shipped_start() if self._asked is None else self._asked

    def declines(self, shape: Shape) -> str | None:
        """Pictures of a few pixels; very many pictures, where nobody asked for it; data that the network has seen."""
        if not isinstance(shape.form, PictureForm) or min(shape.form.height, shape.form.width) < LEAST_SIDE:
            return "The pictures are smaller than 4 × 4 pixels."
        if self._refusal is None and self.start.is_default and shape.n_rows >= MANY_ROWS:
            return (
                f"With {shape.n_rows:,} training pictures a network of their own learns more than the small pretrained "
                "one knows; name another to start from (--from, --backbone) to see it compete."
            )
        return self._refusal

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """A new head on the body as it came; then passes over the pictures, few and as many as are useful."""
        assert isinstance(shape.form, PictureForm)
        operations = operations_of(self.start, shape.form)
        few = shape.n_rows <= FEW_ROWS
        trainings = 1 + MOST_FOLDS if few else 1
        wanted = wanted_epochs(shape.n_rows)

        def rung(epochs: int) -> Rung:
            looking = 1.25 * shape.n_rows * operations / LOOKING_RATE
            learning = epochs * trainings * shape.n_rows * 3 * operations / TRAINING_RATE
            effort = Effort(configuration={"epochs": epochs}, inner_folds=5 if few else 1)
            what = f"{epochs} passes under a new head" if epochs else "a new head"
            return Rung(effort, HEAD_SECONDS + looking + learning, what)

        return ladder_of([rung(0), rung(max(1, wanted // 3)), rung(wanted)])

    def fit(self, dataset: Dataset[Images], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One network a job; the features of the body as it came are made once for all jobs."""
        configuration = {"scale": effort.scale} | dict(effort.configuration or {})
        watch, features, running = Stopwatch(), None, context.begin()
        for job in jobs:
            if features is None:
                rows = np.unique(np.concatenate([job.rows for job in jobs]))
                features = features_of(self.start, dataset, rows, running)
                shared = watch.seconds / len(jobs), watch.core_seconds / len(jobs)
            if features is None or running.is_over():
                return
            fitted = _JobFit(self.start, dataset, job, features, configuration, running).result(self.name)
            yield replace(
                fitted, fit_seconds=fitted.fit_seconds + shared[0], core_seconds=fitted.core_seconds + shared[1]
            )


def operations_of(start: Start, form: PictureForm) -> float:
    """Multiplications and additions of one forward pass of the body over one picture of that form."""
    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.networks.transfer import working_size

    body = start.architecture
    body = body["body"] if body.get("kind") == "transfer" else body
    if body.get("kind") != "convolutional":
        return float(body["operations"])
    architecture = ConvolutionalArchitecture.from_json(body)
    height, width = working_size(form.height, form.width, architecture.height, architecture.width)
    return replace(architecture, height=height, width=width, channels=form.channels).operations


@dataclass
class _JobFit:
    """One job: a head, the training that may follow, and which of the two is kept."""

    start: Start
    dataset: Dataset[Images]
    job: Job
    features: NDArray[np.float32]
    configuration: Mapping[str, Json]
    running: Running

    def result(self, contender: str) -> Fitted:
        """The better of head alone and training, calibrated on the pictures that judged them."""
        watch, splits = Stopwatch(), self._splits()
        penalties = PENALTIES if self._asked("penalty") is None else (float(self._asked("penalty")),)
        heads = {
            penalty: [fit_head(self.dataset, self.features, s.train, penalty) for s in splits] for penalty in penalties
        }
        trials = [self._judge_heads(splits, penalty, heads[penalty]) for penalty in penalties]
        frozen = chosen = best_of(trials)
        penalty = float(frozen.candidate.configuration["penalty"])
        trained: list[Trained] = []
        if self._epochs() and self._asked("tune") is not False:
            flips = self._flips(splits, heads[penalty]) if self._asked("flips") is None else bool(self._asked("flips"))
            pairs = zip(splits, heads[penalty], strict=True)  # fewer than there are when the deadline comes first
            trained = [self._go_on(split, head, flips) for split, head in pairs if not self.running.is_over()]
        if len(trained) == len(splits):
            settled = {"penalty": penalty, "tune": True, "epochs": self._epochs(), "flips": flips}
            trials.append(self._judge_trained(splits, settled, heads[penalty], trained))
            chosen = trials[-1] if self._asked("tune") else best_of([frozen, trials[-1]])
        member, history = self._kept(chosen, splits, heads[penalty], trained)
        return Fitted(
            contender=contender,
            job=self.job,
            task=self.dataset.task,
            members=(member,),
            calibration=chosen.calibration,
            out_of_fold=chosen.out_of_fold,
            configuration=dict(chosen.candidate.configuration),
            summary=chosen.candidate.words,
            tried=tuple(trial.to_json() for trial in trials),
            fit_seconds=watch.seconds,
            core_seconds=watch.core_seconds,
            history=history,
            cut_short=self.running.cut_short,
        )

    def _splits(self) -> tuple[Split, ...]:
        if len(self.job.rows) <= FEW_ROWS and self.dataset.time is None:
            return self.job.inner[:MOST_FOLDS]
        return (held_out(self.dataset, self.job),)

    def _asked(self, name: str) -> Json:
        return self.configuration.get(name)

    def _epochs(self) -> int:
        default = max(1, round(self.configuration["scale"] * wanted_epochs(len(self.job.rows))))
        return int(self.configuration.get("epochs", default))

    def _judge_heads(self, splits: Sequence[Split], penalty: float, heads: Sequence[Head]) -> Trial:
        task = self.dataset.task
        found = [head.predict(task, self.features[s.test]) for s, head in zip(splits, heads, strict=True)]
        words = f"a new head on {self.start.name}, penalty {penalty:g}"
        return self._judge(splits, found, {"penalty": penalty, "tune": False, "epochs": self._epochs()}, words)

    def _judge_trained(
        self, splits: Sequence[Split], settled: Mapping[str, Json], heads: Sequence[Head], trained: Sequence[Trained]
    ) -> Trial:
        found = [
            self._member(head, one.network).predict(self.dataset.inputs.take(split.test))
            for split, head, one in zip(splits, heads, trained, strict=True)
        ]
        flipped = ", flips among what it saw" if settled["flips"] else ""
        words = f"{self.start.name} under a new head, trained on for {settled['epochs']} epochs{flipped}"
        return self._judge(splits, found, settled, words)

    def _flips(self, splits: Sequence[Split], heads: Sequence[Head]) -> bool:
        """Whether held-out pictures are told as well in a mirror: then a flip changes nothing that matters.

        Their mean loss may rise by one standard error of the difference, picture by picture. Digits rise by far more.
        """
        task, rises = self.dataset.task, []
        rows = np.unique(np.concatenate([split.test for split in splits]))
        mirrored = features_of(self.start, self.dataset, rows, self.running, mirrored=True)
        if mirrored is None:
            return False
        for split, head in zip(splits, heads, strict=True):
            y = self.dataset.y[split.test]
            seen, plain = (head.predict(task, features[split.test]) for features in (mirrored, self.features))
            rises.append(task.row_losses(y, seen) - task.row_losses(y, plain))
        rise = np.concatenate(rises)
        return bool(rise.mean() <= rise.std() / len(rise) ** 0.5)

    def _judge(
        self, splits: Sequence[Split], found: Sequence[FloatArray], configuration: Mapping[str, Json], words: str
    ) -> Trial:
        return judge(self.dataset, replace(self.job, inner=tuple(splits)), found, Candidate(configuration, words))

    def _go_on(self, split: Split, head: Head, flips: bool) -> Trained:
        """The network under that head after learning from ``split.train``; splits differ in their targets' scaling."""
        settings = TransferSettings(epochs=self._epochs(), augmentation=varied(self.dataset.inputs.form, flips))
        family, data = self._under(head, split)
        return train_one(data, family, settings, self.dataset.task, self.running)

    def _under(self, head: Head, split: Split) -> tuple[TransferFamily, TrainingData]:
        family = TransferFamily(self.start, head)
        return family, family.prepare(self.dataset, replace(self.job, inner=(split,)), PreparationOptions())

    def _kept(
        self, chosen: Trial, splits: Sequence[Split], heads: Sequence[Head], trained: Sequence[Trained]
    ) -> tuple[PictureMember, Mapping[str, Sequence[float]]]:
        """The network that is kept: with several splits one that learns from all rows, else what the split taught."""
        tunes = bool(chosen.candidate.configuration["tune"])
        if len(splits) == 1:
            return self._member(heads[0], trained[0].network if tunes else None), trained[0].history if tunes else {}
        head = fit_head(self.dataset, self.features, self.job.rows, float(chosen.candidate.configuration["penalty"]))
        if not tunes:
            return self._member(head), {}
        flips = bool(chosen.candidate.configuration["flips"])
        whole = self._go_on(Split(self.job.rows, self.job.rows[:0]), head, flips)
        return self._member(head, whole.network), whole.history

    def _member(self, head: Head, network: nn.Module | None = None) -> PictureMember:
        """A member of the trained network, or of the body as it came under that head."""
        family, data = self._under(head, Split(self.job.rows, self.job.rows[:0]))
        settings = TransferSettings()
        given = family.network(data, settings, 0, self.job.seed) if network is None else network
        return family.member(data, settings, [given], self.dataset.task)
