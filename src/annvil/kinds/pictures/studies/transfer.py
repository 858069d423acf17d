"""What is learnt on some classes and helps with others: both networks, the same classes, the same pictures.

Half of the classes, drawn at random, are learnt from all their training pictures. Of the others there are then 10, 50
or 200 pictures a class. The pretrained start keeps all layers but the last as they are and learns a new last layer (the
linear contender on the last hidden values, its penalty chosen as ever); the other start is the contender's own training
from nothing on the same pictures. Frozen layers and a new last one are the plainest transfer (Yosinski et al., NeurIPS
2014); tuning all layers afterwards gains more where there are many pictures, and is left out, since how fast each layer
may move would have to be found for both networks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from msgspec import structs

from annvil.data.dataset import Dataset
from annvil.data.seeds import derived_seed
from annvil.data.splits import Split
from annvil.data.table import Table, table_from_columns
from annvil.kinds.pictures.contenders.member import PictureMember
from annvil.kinds.pictures.explanation.feature_maps import last_features
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies.measuring import Part, Study
from annvil.kinds.pictures.studies.trials import trial_of
from annvil.models.jobs import Context, Effort
from annvil.models.members import Fitted, as_outputs
from annvil.models.on_features import OnFeaturesMember, table_of
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.union import make_task

PICTURES_AT_ONCE = 512
"""Pictures whose hidden values are computed in one pass (assumed)."""


def measure_transfer(study: Study) -> None:
    """Fit both networks on half of the classes, then both starts at every number of pictures a class."""
    old, new = halves_of_classes(study)
    data, per_class = study.data, study.plan.per_class
    target = of_classes(data, new)
    test = study.test[np.isin(data.y[study.test], new)]
    learns = study.train[np.isin(data.y[study.train], old)]
    source = Part("old-classes", of_classes(data, old), learns, "on half of the classes")
    starts = [Part(f"start-{n}", target, _of_each(study, new, n), source.words) for n in per_class]
    for name in study.contenders:
        missing = [start for start in starts if study.shelf.trial(name, start.key) is None]
        if missing and study.has_time(replace(starts[-1], rows=learns)):
            fitted, _ = study.fit(name, source)
            if fitted is not None:
                for start in missing:
                    _keep_start(study, name, start, fitted, test)
    for n, start in zip(per_class, starts, strict=True):
        part = replace(start, key=f"nothing-{n}", words=f"on {n} pictures of each of the other classes")
        if study.has_time(part):
            for name in study.contenders:
                study.trial(name, part, test)


def halves_of_classes(study: Study) -> tuple[IntArray, IntArray]:
    """Codes of the classes to start from and of the new ones, ascending; drawn with the seed of the study."""
    n = len(study.data.task.classes)
    order = np.random.default_rng(derived_seed(study.plan.seed, 6)).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def of_classes(data: Dataset[Images], classes: IntArray) -> Dataset[Images]:
    """The same rows with the classes renumbered; rows of other classes get the first, and must not be asked for."""
    task = data.task
    codes = np.zeros(len(task.classes), dtype=np.int64)
    codes[classes] = np.arange(len(classes))
    kind = "binary" if len(classes) == 2 else "multiclass"
    chosen = make_task(kind, task.target, (task.classes[code] for code in classes), task.reason)
    return replace(data, y=codes[data.y], task=chosen)


def _of_each(study: Study, classes: IntArray, n: int) -> IntArray:
    """``n`` training pictures of each class (fewer where there are fewer); fewer lie inside more."""
    random = np.random.default_rng(derived_seed(study.plan.seed, 7))
    order = random.permutation(study.train)
    return np.sort(np.concatenate([order[study.data.y[order] == code][:n] for code in classes]))


def _keep_start(study: Study, name: str, start: Part, fitted: Fitted, test: IntArray) -> None:
    """A new last layer on the hidden values of a network that knows other classes."""
    from annvil.models.linear import Linear

    rows, target = start.rows, start.data
    taken = np.concatenate([rows, test])
    values = hidden_values(fitted, target.inputs.take(taken))
    table = table_from_columns((f"unit {i + 1}", "number", column) for i, column in enumerate(values.T))
    learns = cast("Dataset[Table]", replace(cast(Any, target.take(taken)), inputs=table))
    job = replace(study.job(start), rows=np.arange(len(rows)))
    inner = tuple(Split(np.searchsorted(rows, split.train), np.searchsorted(rows, split.test)) for split in job.inner)
    context = Context(max(study.deadline.left, 1.0))
    head = next(iter(Linear().fit(learns, [replace(job, inner=inner)], Effort(candidates=8), context)), None)
    if head is not None:
        outputs = as_outputs(head.predict(table.take(np.arange(len(rows), len(taken)))))
        losses = target.task.shares_wrong(target.y[test], outputs)
        study.shelf.keep(structs.replace(trial_of(head, name, start.key, losses), epochs=0))


def hidden_values(fitted: Fitted, images: Images) -> FloatArray:
    """What the last layer of a network sees, float64 ``(n_rows, n_units)``; of several networks side by side."""
    member = fitted.members[0]
    blocks = (images.take(slice(at, at + PICTURES_AT_ONCE)) for at in range(0, images.n_rows, PICTURES_AT_ONCE))
    if isinstance(member, OnFeaturesMember):
        return np.concatenate([_seen_by_dense(member, block) for block in blocks])
    assert isinstance(member, PictureMember)
    return np.concatenate([last_features(member.network.eval(), block.pixels()) for block in blocks])


def _seen_by_dense(member: OnFeaturesMember, images: Images) -> FloatArray:
    import torch

    from annvil.models.networks.bag import NetworkBag

    bag = member.inner
    assert isinstance(bag, NetworkBag)
    numbers, codes = bag.preparation.transform(table_of(images, member.features))
    seen: list[Any] = []
    for network in bag.networks:
        last: Any = network.layers[-1]  # type: ignore[index]
        hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        with torch.inference_mode():
            network.eval()(numbers, codes)
        hook.remove()
    return np.asarray(torch.cat(seen, dim=1).double().numpy())
