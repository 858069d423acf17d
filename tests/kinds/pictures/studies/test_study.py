"""A whole study of real networks on few digits, with trainings of a few steps."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from annvil.comparison import Store
from annvil.data.dataset import Dataset
from annvil.errors import RequestError
from annvil.kinds.pictures.contenders import sizes as convolutional_sizes
from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.studies.dense_and_convolutional import study_dense_and_convolutional
from annvil.kinds.pictures.studies.transfer import hidden_values, of_classes
from annvil.models.jobs import Effort
from annvil.models.networks import recipe as network_recipe
from annvil.tasks.union import make_task

CONTENDERS = contenders_for_pictures()
RACE = SimpleNamespace(plan=SimpleNamespace(seed=0), folds=())


def digits(n=120, classes=4):
    bunch = load_digits(n_class=classes)
    pixels, y = np.rint(bunch.images[:n] * 255 / 16).astype(np.uint8), bunch.target[:n].astype(np.int64)
    return Dataset(
        images_from_arrays(pixels),
        y,
        make_task("multiclass", "digit", tuple(range(classes))),
        np.arange(n),
        source=None,
    )


def found(dataset, folder):
    return SimpleNamespace(dataset=dataset, comparison=RACE, store=Store(folder / "race"), rung=lambda name: 0)


@pytest.fixture(scope="module")
def quick():
    """Trainings of a handful of steps: what is tested is the study, not the networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolutional_sizes, "FEWEST_STEPS", 4)
        patch.setattr("annvil.kinds.pictures.studies.planning.MOST_EPOCHS", 3)
        patch.setattr("annvil.kinds.pictures.studies.planning.THOROUGH", ((2, 2, 3),))
        patch.setattr(network_recipe, "EPOCHS", (2, 4))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(quick, folder):
    """The table, what was told and how often it was written."""
    told, written = [], []
    table = study_dense_and_convolutional(found(digits(), folder), folder / "study", 300, told.append, written.append)
    return SimpleNamespace(found=table, told=told, written=written)


def test_every_claim_has_its_row(study):
    keys = [finding.key for finding in study.found.findings]
    assert keys == [
        "accuracy",
        "parameters",
        "operations",
        "training-time",
        "prediction-time",
        *(["memory"] if "memory" in keys else []),
        "data-needed",
        "structure",
        "shifts",
        "turns",
        "transfer",
        "first-layers",
    ]
    assert all(finding.sentence.endswith(".") for finding in study.found.findings)
    assert study.found["structure"].numbers["trainings"] == 2
    assert any("200 pictures a class was not measured" in sentence for sentence in study.found.left_out)


def test_the_table_is_written_as_it_grows(study):
    counts = [len(sections[0].tables[0].rows) for sections in study.written]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(study.found.findings)


def test_a_second_call_trains_nothing(study, folder, quick):
    told = []
    again = study_dense_and_convolutional(found(digits(), folder), folder / "study", 300, told.append)
    assert told == []
    assert again.findings == study.found.findings


def test_a_study_that_was_stopped_goes_on(study, folder, quick):
    for path in (folder / "study").glob("shuffled-1.*"):
        path.unlink()
    told = []
    again = study_dense_and_convolutional(found(digits(), folder), folder / "study", 300, told.append)
    assert told == [f"{name} network on shuffled pictures once more" for name in ("Dense", "Convolutional")]
    assert again["structure"].numbers["dense"] == study.found["structure"].numbers["dense"]


def test_the_sections_show_the_table_and_its_details(study):
    sections = {section.key: section for section in study.found.sections()}
    table = sections["dense-and-convolutional"].tables[0]
    assert [row[0] for row in table.rows] == [finding.what for finding in study.found.findings]
    assert {
        "dense-and-convolutional-curve",
        "dense-and-convolutional-transfer",
        "dense-and-convolutional-looks",
    } <= set(sections)
    assert [p.caption.split(":")[0] for p in sections["dense-and-convolutional-looks"].pictures] == [
        "Dense network",
        "Convolutional network",
    ]
    assert "structure" in {finding["key"] for finding in study.found.to_json()["findings"]}


def test_pictures_too_small_for_maps_are_refused(tmp_path):
    data = digits()
    tiny = Dataset(images_from_arrays(data.inputs.pixels()[:, :3, :3]), data.y, data.task, data.groups, source=None)
    with pytest.raises(RequestError, match="smaller than"):
        study_dense_and_convolutional(found(tiny, tmp_path), tmp_path / "study", 60)


@pytest.mark.parametrize("name", ["pixels-dense", "convolutional"])
def test_hidden_values_are_what_the_last_layer_sees(name, quick):
    """The last layer applied to them gives the network's own outputs before calibration."""
    import torch

    from annvil.data.splits import Split, inner_splits
    from annvil.models.jobs import Context, Job

    data, rows = digits(), np.arange(100)
    (inner,) = inner_splits(data, rows, 1, 0)
    job = Job("one", rows, (Split(inner.train, inner.test),), 0)
    contender = next(one for one in CONTENDERS if one.name == name)
    configuration = {"size": "small", "epochs": 2} if name == "convolutional" else None
    (fitted,) = contender.fit(data, [job], Effort(configuration=configuration, scale=0.2), Context())
    seen = torch.from_numpy(hidden_values(fitted, data.inputs)).float()
    member = fitted.members[0]
    if name == "convolutional":
        outputs = member.network.head(seen) * member.network.architecture.head_scale
    else:
        outputs = member.inner.networks[0].layers[-1](seen)
    np.testing.assert_allclose(outputs.softmax(-1).detach().numpy(), member.predict(data.inputs), atol=1e-4)


def test_classes_are_renumbered():
    data = digits()
    some = of_classes(data, np.array([1, 3]))
    assert some.task.classes == (1, 3)
    assert some.task.kind == "binary"
    np.testing.assert_array_equal(some.y[data.y == 3], 1)
    np.testing.assert_array_equal(some.y[data.y == 1], 0)
