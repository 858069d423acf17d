"""Parts of a data set by the names of folders: ``train``, ``test_set``, ``seg_val``, ``Train Data``, ``imgs_test2``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_TRAINING = {"train", "training", "trn", "trainingsdaten", "entrenamiento", "entrainement", "treino"}
_VALIDATION = {"val", "valid", "validation", "dev", "validierung", "validierungsdaten", "validacion"}
_TESTING = {"test", "testing", "tst", "eval", "evaluation", "holdout", "testdaten", "prueba", "teste"}
_PART = _TRAINING | _VALIDATION | _TESTING
_ABOUT = {"set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "pic", "pics"}
_ABOUT |= {"photo", "photos", "sample", "samples", "seg", "split", "part", "subset", "folder", "files", "crops", "hold"}
_ABOUT |= {"out", "raw", "jpg", "jpeg", "png", "of", "the", "public", "private", "final", "original"}
"""Words beside the part that say nothing of classes."""

_SHARDS = _ABOUT | {"fold", "folds", "batch", "shard", "chunk", "session"}
"""Words of numbered folders the same classes lie in."""

_DRAWN = {"mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "ground", "truth", "overlays"}
_DRAWN |= {"thumbnail", "thumbnails", "thumbs", "previews", "heatmaps"}
"""Words of folders with pictures that were made of the others."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+")
_GLUED = re.compile(rf"({'|'.join(sorted(_PART, key=len, reverse=True))})({'|'.join(sorted(_ABOUT, key=len))})")


def _words(name: str) -> list[str]:
    """Lower-case words of a name, without digits: ``TrainData-2`` and ``traindata2`` are "train", "data"."""
    words: list[str] = []
    for word in map(str.lower, _WORD.findall(name)):
        glued = _GLUED.fullmatch(word)
        words += glued.groups() if glued else [word]
    return words


def part_of(name: str) -> str | None:
    """ "train", "validation" or "test" where a name says that and nothing else."""
    return _part_in(_words(name)) or _part_in(_words(name.lower()))  # TRAINset has no words by its capitals


def _part_in(words: Sequence[str]) -> str | None:
    parts = [word for word in words if word in _PART]
    if words[:2] == ["hold", "out"]:
        return "test"
    if len(set(parts)) != 1 or not set(words) <= _PART | _ABOUT:
        return None
    return _role(parts[0])


def _role(word: str) -> str:
    return "train" if word in _TRAINING else "validation" if word in _VALIDATION else "test"


def says_nothing(name: str) -> bool:
    """Whether a name is that of a folder of whatever pictures: ``images``, ``images_part_1``, ``data``, ``2``."""
    return set(_words(name)) <= _ABOUT


def is_shard(name: str) -> bool:
    """Whether a name is that of a numbered piece of the data: ``fold2``, ``batch_1``, ``images_3``."""
    return any(map(str.isdigit, name)) and set(_words(name)) <= _SHARDS


def is_drawn(name: str) -> bool:
    """Whether a name is that of a folder of pictures made of the others: ``masks``, ``seg_annotations``."""
    words = set(_words(name))
    return bool(words & _DRAWN) and words <= _DRAWN | _ABOUT


def part_and_class(name: str) -> tuple[str, str] | None:
    """The part and the rest of a name that says both: ``trainA``, ``test_cats``."""
    found = [(word, match) for match in _WORD.finditer(name) if (word := match.group().lower()) in _PART]
    if len(found) != 1:
        return None
    word, match = found[0]
    rest = (name[: match.start()] + name[match.end() :]).strip(" _-.")
    return (_role(word), rest) if rest else None


def part_said(name: str) -> str | None:
    """The one part that a name of several words says: ``train_labels``, ``df-test``."""
    parts = {_role(word) for word in _words(name) if word in _PART}
    return parts.pop() if len(parts) == 1 else None


def split_of(name: str) -> str | None:
    """ "train" or "test" for names of parts; validation counts to training."""
    part = part_of(name)
    return "train" if part == "validation" else part


def parts_among(names: Sequence[str], inside: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The part that each of the folders is; empty where they are classes.

    Besides names that say a part and nothing else, those count that have the part and the same other words in common
    (``xray_train``, ``xray_test``). Folders that are none may lie beside them (``extra``, ``unlabelled``) where the
    parts are at least two and hold folders of the same names.

    Parameters
    ----------
    names : of folders beside each other
    inside : of each, the names of the folders in it
    """
    found = {name: part for name in names if (part := part_of(name))}
    if len(found) < len(names):
        rests: dict[tuple[str, ...], dict[str, str]] = {}
        for name in names:
            words = _words(name)
            said = [word for word in words if word in _PART]
            if len(said) == 1:
                rests.setdefault(tuple(word for word in words if word not in _PART | _ABOUT), {})[name] = _role(said[0])
        for alike in rests.values():
            if len(alike) == len(names) and len(set(alike.values())) > 1:
                return alike
    if not found or len(found) == len(names):
        return found
    held = [set(inside[name]) for name in found]
    return found if len(set(found.values())) > 1 and all(held) and set.intersection(*held) else {}
