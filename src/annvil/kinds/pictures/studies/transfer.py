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
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.seeds import derived_seed
from annvil.data.table import Column, Field, Table
from annvil.kinds.pictures.contenders.member import PictureMember
from annvil.kinds.pictures.contenders.on_pixels import OnPixelsMember, table_of
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies.trials import Trial, as_bytes
from annvil.models.contract import Context, Effort, Fitted, Split, as_outputs
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.union import make_task

if TYPE_CHECKING:
    from annvil.kinds.pictures.studies.measuring import Study

PICTURES_AT_ONCE = 512
"""Pictures whose hidden values are computed in one pass (assumed)."""


def measure_transfer(study: Study) -> None:
    """Fit both networks on half of the classes, then both starts at every number of pictures a class."""
    old, new = halves_of_classes(study)
    data = study.data
    learns = study.train[np.isin(data.y[study.train], old)]
    source = of_classes(data, old)
    target = of_classes(data, new)
    test = study.test[np.isin(data.y[study.test], new)]
    keys = [f"start-{n}" for n in study.plan.per_class]
    words = "on half of the classes"
    for name in study.contenders:
        if all(study.shelf.trial(name, key) is not None for key in keys):
            continue
        if study.has_time(keys[-1], len(learns), words):
            fitted, _, _ = study.fit(name, "old-classes", source, learns, 0, words)
            if fitted is not None:
                for n, key in zip(study.plan.per_class, keys, strict=True):
                    _keep_start(study, name, key, fitted, target, _of_each(study, new, n), test)
    for n in study.plan.per_class:
        rows, words = _of_each(study, new, n), f"on {n} pictures of each of the other classes"
        if study.has_time(f"nothing-{n}", len(rows), words):
            for name in study.contenders:
                study.trial(name, f"nothing-{n}", target, rows, test, 0, words)


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


def _keep_start(
    study: Study, name: str, key: str, fitted: Fitted, target: Dataset[Images], rows: IntArray, test: IntArray
) -> None:
    """A new last layer on the hidden values of a network that knows other classes."""
    from annvil.models.linear import Linear

    if study.shelf.trial(name, key) is not None:
        return
    taken = np.concatenate([rows, test])
    table = _table(hidden_values(fitted, target.inputs.take(taken)))
    learns = cast("Dataset[Table]", replace(cast(Any, target.take(taken)), inputs=table))
    job = replace(study.job(target, key, rows, 0), rows=np.arange(len(rows)))
    inner = tuple(Split(np.searchsorted(rows, split.train), np.searchsorted(rows, split.test)) for split in job.inner)
    context = Context(max(study.deadline.left, 1.0))
    linear = Linear()
    head = next(iter(linear.fit(learns, [replace(job, inner=inner)], Effort(candidates=8), context)), None)
    if head is None:
        return
    outputs = as_outputs(head.predict(table.take(np.arange(len(rows), len(taken)))))
    study.shelf.keep(
        Trial(
            contender=name,
            key=key,
            n_train=len(rows),
            n_parameters=head.n_parameters,
            epochs=0,
            summary=head.summary,
            configuration=dict(head.configuration),
            fit_seconds=head.fit_seconds,
            memory_mb=None,
            losses=as_bytes(target.task.shares_wrong(target.y[test], outputs)),
        )
    )


def _table(values: FloatArray) -> Table:
    columns = (Column(Field(f"unit {i + 1}", "number"), np.array(values[:, i])) for i in range(values.shape[1]))
    return Table(tuple(columns), len(values))


def hidden_values(fitted: Fitted, images: Images) -> FloatArray:
    """What the last layer of a network sees, float64 ``(n_rows, n_units)``; of several networks side by side."""
    member = fitted.members[0]
    starts = range(0, images.n_rows, PICTURES_AT_ONCE)
    blocks = (images.take(slice(start, start + PICTURES_AT_ONCE)) for start in starts)
    return np.concatenate(
        [
            _seen_by_dense(member, block)
            if isinstance(member, OnPixelsMember)
            else _seen_by_convolutional(member, block)
            for block in blocks
        ]
    )


def _seen_by_convolutional(member: Any, images: Images) -> FloatArray:
    import torch

    assert isinstance(member, PictureMember)
    member.network.eval()
    with torch.inference_mode():
        found: Any = member.network.features(torch.from_numpy(images.pixels()))  # type: ignore[operator]
    return np.asarray(found.double().numpy())


def _seen_by_dense(member: OnPixelsMember, images: Images) -> FloatArray:
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
