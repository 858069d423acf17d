"""Networks on sound as a family: energies of frames made once for a job, changed anew for every batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.contenders.member import N_BANDS, LogMel, SoundBag
from annvil.models.jobs import Job, Json, PreparationOptions
from annvil.models.networks.bag import network_outputs
from annvil.models.networks.family import Hyperparameters, NetworkFamily, TrainingData, positions
from annvil.models.networks.recipe import batch_size
from annvil.networks.front_end import band_centres
from annvil.networks.sound import Body
from annvil.preparation import TargetScaling
from annvil.preparation.augment_sound import SoundAugmentation, SoundChanges
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Augment, Recipe

BATCH_SIZES = ((400, 16), (1_500, 32))
"""(clips, batch size); `LARGEST_BATCH` above (assumed: many small steps where clips are few)."""

LARGEST_BATCH = 64

STEPS = 1_000
"""Steps of a training of scale 1, however many clips there are (assumed: 25 epochs of 2,500)."""

FEWEST_STEPS, FEWEST_EPOCHS = 60, 2
"""Not even a training that is cut shorter than the first rung takes fewer (assumed)."""

LONG_CLIPS = 0.97
"""Networks learn from as many frames of a clip as this share of the clips has (measured: of the digits the longest
clip is five times as long as the usual one, and every batch would be as long); a model reads clips to their end."""

FRAMES_AT_ONCE = 1 << 15
"""Frames of clips that go through a network at once (assumed)."""

Strength = str

AUGMENTATIONS: Mapping[Strength, SoundAugmentation] = {
    "none": SoundAugmentation(),
    "light": SoundAugmentation(stretch=0.1, warp=0.08, shift=3, noise=0.3),
    "strong": SoundAugmentation(stretch=0.22, warp=0.25, shift=6, noise=0.7, time_mask=0.1, band_mask=0.1),
}
"""By strength; tempo and vocal tract are those of other speakers (Ko et al. 2015: 0.9 to 1.1; here 0.8 to 1.25). Wider
masks leave too little of a word for so few steps (measured: RESULTS, "Sound")."""

AVERAGE, AVERAGE_FROM = 0.98, 0.5
"""Decay of the average of weights, and the share of all steps after which it begins (measured there, too)."""


@dataclass(frozen=True, kw_only=True)
class SoundSettings(Hyperparameters):
    """One candidate; the fields are those of `annvil.networks.sound.SoundArchitecture`, and how clips are changed."""

    number: int = 0
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    dropout: float | None = 0.3
    label_smoothing: float = 0.1
    body: Body = "residual"
    width: int = 48
    n_cepstra: int = 13
    strength: Strength = "strong"

    def to_json(self) -> dict[str, Json]:
        """What repeats it."""
        return asdict(self)

    def describe(self) -> str:
        """For people."""
        name = "residual convolutions" if self.body == "residual" else "GRU over patches of 4 frames, both ways"
        parts = [f"{name} of width {self.width} on {f'{self.n_cepstra} cepstra' if self.n_cepstra else 'energies'}"]
        parts += [f"clips {self.strength}ly changed" if self.strength != "none" else "clips as they are"]
        parts += ["classes weighted"] if self.class_weighted else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Sizes:
    """What a family builds its networks for: training clips of a split, outputs, and the rate of clips, Hz."""

    n_rows: int
    n_outputs: int
    rate: int


@dataclass(frozen=True)
class SoundFamily(NetworkFamily[Clips, SoundSettings]):
    """Networks of one body; ``rate`` is that of the clips, Hz, which tells where their bands are."""

    body: Body
    rate: int
    name = "sound"

    def prepare(self, dataset: Dataset[Clips], job: Job, options: PreparationOptions) -> TrainingData:
        """Energies of all clips of the job."""
        import torch

        clips, task = dataset.inputs.take(job.rows), dataset.task
        y = dataset.y[job.rows]
        target = TargetScaling.of(task, y)
        answers = np.asarray(y, dtype=task.link.dtype) if target is None else target.transform(y)[:, None]
        energies, frames = energies_of(clips)
        splits = positions(job)
        sizes = Sizes(max(len(train) for train, _ in splits), task.n_outputs, clips.form.rate)
        shape = task.n_outputs, energies.shape[2]
        preparation = LogMel(clips.form.rate)
        tensors = energies, frames
        return TrainingData(
            job, tensors, torch.from_numpy(answers), splits, preparation, target, shape, sizes, job.weights
        )

    def network(self, data: TrainingData, settings: SoundSettings, split: int, seed: int) -> nn.Module:
        """Initial weights at random; scales from the split's training clips."""
        import torch

        from annvil.networks.sound import SoundArchitecture, SoundNetwork

        sizes: Sizes = data.sizes
        architecture = SoundArchitecture(
            N_BANDS, sizes.n_outputs, settings.body, settings.width, n_cepstra=settings.n_cepstra
        )
        network = SoundNetwork(architecture, settings.dropout or 0.0)
        network.initialise(torch.Generator().manual_seed(seed))
        train, _ = data.splits[split]
        network.look_at(*(tensor[train] for tensor in data.inputs))
        return network

    def widths(self, data: TrainingData, settings: SoundSettings) -> tuple[Any, ...]:
        """All that makes a shape, and how clips are changed: a population has one augmentation."""
        alike = replace(settings, number=0, learning_rate=0.0, weight_decay=0.0)
        return tuple(alike.to_json().values())

    def recipe(self, data: TrainingData, settings: SoundSettings, scale: float) -> Recipe:
        """Steps as many as ``scale`` asks for, at one rate and then, for half of them, down to 0; to the last epoch:
        clips of a few speakers who are held out say little about when to stop."""
        from annvil.training import Recipe

        n_rows = data.sizes.n_rows
        return Recipe(
            epochs=epochs_for(n_rows, scale),
            batch_size=batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH),
            schedule="flat-cosine",
            warmup=0.05,
            clip_norm=1.0,
            average=AVERAGE,
            average_from=AVERAGE_FROM,
            keep="last" if data.target is None else "best",
        )

    def augment(self, settings: SoundSettings) -> Augment | None:
        """As the candidate says."""
        augmentation = AUGMENTATIONS[settings.strength]
        return None if augmentation.does_nothing else SoundChanges(augmentation, band_centres(N_BANDS, self.rate))

    def member(
        self, data: TrainingData, settings: SoundSettings, networks: Sequence[nn.Module], task: Task
    ) -> SoundBag:
        """The networks of the inner splits, averaged."""
        weights = (1 / len(networks),) * len(networks)
        return SoundBag(data.preparation, tuple(networks), weights, data.target, task.link)

    def outputs(
        self, data: TrainingData, settings: SoundSettings, network: nn.Module, rows: IntArray, task: Task
    ) -> FloatArray:
        """What one network says of clips of the job."""
        import torch

        network.eval()
        at_once = max(1, FRAMES_AT_ONCE // data.inputs[0].shape[2])
        parts = (torch.from_numpy(rows[start : start + at_once]) for start in range(0, len(rows), at_once))
        found = [network_outputs(network, data.inputs, data.target, task.link, part) for part in parts]
        return np.concatenate(found)


def energies_of(clips: Clips) -> tuple[Tensor, Tensor]:
    """Energies float32 ``(n, N_BANDS, frames)`` of clips that are cut at `LONG_CLIPS`, and frames that count."""
    import torch

    preparation = LogMel(clips.form.rate)
    parts = []
    frames = torch.zeros(clips.n_rows, dtype=torch.int64)
    order = np.argsort(clips.lengths, kind="stable")  # of clips of like length little is padding
    for places, block in clips.take(order).blocks():
        found, counts = preparation.transform(block)
        rows = torch.from_numpy(order[places])
        frames[rows] = counts
        parts.append((rows, found[:, :, : int(counts.max())].clone()))
    most = int(np.quantile(frames.numpy(), LONG_CLIPS, method="higher"))
    energies = torch.zeros(clips.n_rows, N_BANDS, most)
    for rows, found in parts:
        size = min(most, found.shape[2])
        energies[rows, :, :size] = found[:, :, :size]
    counts = frames.clamp(max=most)
    return energies * (torch.arange(most) < counts[:, None])[:, None], counts


def epochs_for(n_rows: int, scale: float) -> int:
    """Epochs of so many training clips: as many as make `STEPS` times ``scale`` steps, `FEWEST_STEPS` at least."""
    a_pass = math.ceil(n_rows / batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH))
    return max(FEWEST_EPOCHS, math.ceil(max(FEWEST_STEPS, STEPS * scale) / a_pass))
