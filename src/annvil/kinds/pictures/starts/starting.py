"""What a fit goes on from: the model of a run, a folder of `annvil pretrain`, or a backbone of somebody else's."""

from __future__ import annotations

from pathlib import Path

from annvil.data.dataset import Dataset
from annvil.errors import BundleError, RequestError
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.starts.pretrained import Start, Taught, is_start, read_start


def start_of(start: str | None, backbone: str | None) -> Start | None:
    """The network to go on from, or None where none was asked for.

    Parameters
    ----------
    start : a run's folder, a saved model (folder or zip), or a folder of `annvil pretrain`
    backbone : a folder with a model in the form of Hugging Face's transformers, or its name on their hub

    Raises
    ------
    RequestError
        When both are given, or there is nothing at the path.
    BundleError
        When what is there cannot be read, or holds no network for pictures.
    """
    if start is not None and backbone is not None:
        raise RequestError("A fit starts from one network: give either a start (--from) or a backbone (--backbone).")
    if backbone is not None:
        from annvil.kinds.pictures.starts.hub import load_backbone

        return load_backbone(backbone)
    return None if start is None else _checked(_from_path(Path(start)))


def _checked(start: Start) -> Start:
    from annvil.networks.transfer import check_start

    try:
        check_start(start.architecture, start.weights)
    except BundleError as error:
        raise BundleError(f"{start.name} is no network to start from. {error}") from None
    return start


def _from_path(path: Path) -> Start:
    if not path.exists():
        raise RequestError(f"There is nothing at {path} to start from: name a run, its model, or a folder of pretrain.")
    if is_start(path):
        return read_start(path)
    return _from_bundle(path / "model" if (path / "model" / "manifest.json").is_file() else path)


def _from_bundle(path: Path) -> Start:
    from annvil.bundle import load, load_weights

    manifest = load(path).manifest
    architecture, weights = manifest.info.architecture, load_weights(path)
    if not weights or architecture.get("kind") not in ("convolutional", "transfer"):
        what = manifest.info.title or "a model of an unknown kind"
        raise BundleError(
            f"{path} holds no network for pictures to start from: it is {what}. Name a model whose contender is the "
            "convolutional or the pretrained network, or make one with annvil pretrain."
        )
    data = manifest.info.data
    return Start(str(path), architecture, weights, (Taught(data.name, data.sha256, data.n_rows),))


def refusal_of(dataset: Dataset[Images], start: Start | None) -> str | None:
    """Why the network must not be judged on this data: it learnt from them, test folds included; or None."""
    from annvil.kinds.pictures.starts.pretrained import shipped_start

    chosen = shipped_start() if start is None else start
    if not chosen.learnt_from(dataset.source.sha256):
        return None
    return (
        f"{chosen.name[:1].upper()}{chosen.name[1:]} learnt from these very pictures, so what it scored on them would "
        "say nothing about new ones."
    )
