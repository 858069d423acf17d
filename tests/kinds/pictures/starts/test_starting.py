"""What a fit goes on from: found, refused, told apart, kept with the request."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import annvil
from annvil.bundle import export, save
from annvil.data.splits import Split
from annvil.errors import BundleError, DataError, RequestError
from annvil.kinds.pictures.contenders.transfer_learning import Transfer
from annvil.kinds.pictures.options import PictureOptions
from annvil.kinds.pictures.starts.pretrained import Card, Start, Taught, write_start
from annvil.kinds.pictures.starts.starting import refusal_of, start_of
from annvil.kinds.registry import read
from annvil.models.dummy import Dummy
from annvil.models.jobs import Context, Effort, Job
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.options import cleaned
from annvil.run.request import FitRequest

TINY = ConvolutionalArchitecture(8, 8, 1, 4, stem="small", stem_channels=8, layers=(Layer(16, True),))


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return read((np.rint(found.images[:80] * 255 / 16).astype(np.uint8), found.target[:80]))


def weights(seed=0):
    network = ConvolutionalNetwork(TINY)
    network.initialise(torch.Generator().manual_seed(seed))
    return {name: value.numpy() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets") / "tiny"
    write_start(folder, Card(architecture=TINY.to_json(), taught=(Taught("digits", "f" * 64),)), weights())
    return folder


def bundle(path, dataset, contender):
    rows = np.arange(60)
    job = Job("job", rows, (Split(rows[30:], rows[:30]), Split(rows[:30], rows[30:])), 0)
    (fitted,) = contender.fit(dataset, [job], Effort(configuration={"epochs": 0}), Context())
    form, origin = dataset.inputs.form, fitted.origin()
    save(
        path,
        export(fitted, form, dataset.task),
        form=form,
        task=dataset.task,
        info={
            "title": contender.title,
            "architecture": {} if origin is None else dict(origin.architecture),
            "data": {"name": "digits", "sha256": dataset.source.sha256, "n_rows": 60},
        },
        weights=None if origin is None else origin.weights,
    )
    return path


def test_a_run_its_model_and_a_folder_of_pretrain_are_starts(tmp_path, digits, pretrained):
    tiny = start_of(str(pretrained), None)
    model = bundle(tmp_path / "runs" / "digits-1" / "model", digits, Transfer(tiny))
    from_run, from_model = start_of(str(model.parent), None), start_of(str(model), None)
    assert from_run.digest == from_model.digest != tiny.digest
    assert from_run.architecture["kind"] == "transfer"
    assert start_of(None, None) is None


def test_what_is_no_start_is_refused(tmp_path, digits, pretrained):
    with pytest.raises(RequestError, match="There is nothing at"):
        start_of(str(tmp_path / "nowhere"), None)
    with pytest.raises(RequestError, match="either a start"):
        start_of(str(pretrained), "google/vit")
    model = bundle(tmp_path / "model", digits, Dummy())
    with pytest.raises(BundleError, match="holds no network for pictures to start from: it is Baseline"):
        start_of(str(model), None)
    with pytest.raises(RequestError, match=r"start \(--from\) is for pictures, and .* is a table; leave it out"):
        read("sample:breast-cancer", start=str(pretrained))
    with pytest.raises(RequestError, match=r"backbone \(--backbone\) is for pictures"):
        read("sample:breast-cancer", backbone="google/vit")


def test_a_network_that_learnt_from_these_pictures_stays_out(tmp_path, digits, pretrained):
    model = bundle(tmp_path / "model", digits, Transfer(start_of(str(pretrained), None)))
    start = start_of(str(model), None)
    assert "learnt from these very pictures" in refusal_of(digits, start)
    others = replace(digits, source=replace(digits.source, sha256="0" * 64))
    assert refusal_of(others, start) is None
    assert refusal_of(others, None) is None
    shipped = replace(digits, source=replace(digits.source, sha256=_fashion()))
    assert refusal_of(shipped, None).startswith("The small network that ships with Annvil learnt from these")


def _fashion():
    from annvil.kinds.pictures.starts.pretrained import shipped_start

    return shipped_start().taught[0].sha256


def test_the_command_repeats_the_start(tmp_path):
    request = FitRequest("photos", given={"start": "/nets/my net"}, start_digest="ab")
    assert request.command().endswith("--seed 0 --from '/nets/my net'")
    assert "--backbone google/vit" in replace(request, given={"backbone": "google/vit"}).command()
    assert "start='/nets/my net'" in replace(request, data=None).command()
    (tmp_path / "vit").mkdir()
    kept = [cleaned(PictureOptions, {"backbone": given}, "").backbone for given in ("google/vit", tmp_path / "vit")]
    assert kept == ["google/vit", str(tmp_path / "vit")]


def test_a_run_starts_from_it_and_notices_another_when_it_goes_on(tmp_path, pretrained, monkeypatch):
    found = load_digits()
    small = np.isin(found.target, (0, 1, 7))
    X, y = np.rint(found.images[small][:120] * 255 / 16).astype(np.uint8), found.target[small][:120]
    from annvil.kinds.pictures.contenders import registry

    only = lambda start, refusal: [Dummy(), Transfer(start, refusal)]  # noqa: E731
    monkeypatch.setattr(registry, "contenders_for_pictures", only)
    run = annvil.fit((X, y), start=pretrained, budget="1m", out=tmp_path / "runs")
    standing = next(s for s in run.comparison.standings if s.contender == "transfer")
    assert standing.title == "Network from the one given"
    assert str(pretrained) in standing.summary
    assert run.request.start_digest == start_of(str(pretrained), None).digest
    assert "--from" not in run.request.command()
    assert "start=" in run.request.command()
    state = run.folder / "state.json"
    state.write_text(state.read_text().replace("finished", "interrupted"))
    write_start(pretrained, Card(architecture=TINY.to_json()), weights(seed=1))
    with pytest.raises(DataError, match="is not what it was when this run began from it"):
        annvil.resume(run.folder)


def test_starts_compare_by_content():
    first = Start("a", TINY.to_json(), weights())
    assert first.digest == Start("b", TINY.to_json(), weights()).digest
    assert first.digest != Start("a", TINY.to_json(), weights(seed=1)).digest
