"""Parts of a data set by the names of folders: ``train``, ``test_set``, ``seg_val``, ``Train Data``, ``imgs_test2``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_TRAINING = {"train", "training", "trn"}
_VALIDATION = {"val", "valid", "validation", "dev"}
_TESTING = {"test", "testing", "tst", "eval", "evaluation", "holdout"}
_PART = _TRAINING | _VALIDATION | _TESTING
_ABOUT = {"set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "pic", "pics"}
_ABOUT |= {"photo", "photos", "sample", "samples", "seg", "split", "part", "subset", "folder", "files", "crops", "hold"}
_ABOUT |= {"out", "raw", "jpg", "jpeg", "png", "of", "the"}
"""Words beside the part that say nothing of classes."""

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
                rests.setdefault(tuple(word for word in words if word not in _PART), {})[name] = _role(said[0])
        for alike in rests.values():
            if len(alike) == len(names) and len(set(alike.values())) > 1:
                return alike
    if not found or len(found) == len(names):
        return found
    held = [set(inside[name]) for name in found]
    return found if len(set(found.values())) > 1 and all(held) and set.intersection(*held) else {}
