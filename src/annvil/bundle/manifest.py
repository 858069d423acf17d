"""The page that describes a saved model, and its seal.

`manifest.json` begins with ``"seal"``: the SHA-256 of everything in the file after it. With the SHA-256 and size of
every part listed below it, one flipped byte anywhere is noticed before anything is parsed. The seal is no signature: it
tells damage from intact, not friend from stranger. Against strangers stand the strict types here, the checks of
`annvil.onnx.validator`, and that nothing in a bundle is ever executed as Python.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from annvil.bundle.migrations import FORMAT_VERSION, migrated
from annvil.data.form import Form
from annvil.data.plugins import read_form
from annvil.errors import BundleError, MachineError
from annvil.tasks.base import Task
from annvil.tasks.union import AnyTask, tagged

FORMAT = "annvil.bundle"

MANIFEST, GRAPH, STEP, WEIGHTS = "manifest.json", "model.onnx", "step.onnx", "weights.safetensors"
TERMS, GRADIENTS, EXPLANATION = "explain.onnx", "gradients.onnx", "explanation.json"
"""What explains it (`annvil.bundle.explanation`): graphs of what each term adds and of gradients, and all that is no
graph."""

LARGEST_PART = {
    MANIFEST: 16 << 20, GRAPH: 2 << 30, STEP: 2 << 30, WEIGHTS: 16 << 30, TERMS: 2 << 30, GRADIENTS: 2 << 30,
    EXPLANATION: 16 << 20,
}  # fmt: skip
"""Bytes a part may have. Assumed, but for the graph: Protocol Buffers end at 2 GiB."""

_SEALED = re.compile(rb'\{\n "seal": "([0-9a-f]{64})",(\n.*)', re.DOTALL)

M = TypeVar("M")
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of the bundle must be."""

    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data the model learnt from, so that they can be known again."""

    name: str = ""
    sha256: str = ""
    n_bytes: int = 0
    n_rows: int = 0
    n_columns: int = 0


class Info(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is told about a model beside its graph; everything may be left out.

    Attributes
    ----------
    contender, title, summary : registry name, name for people, what the search chose in one line
    preparation : sentences on what is done to raw values inside the graph
    data : fingerprint of the training data
    metric, scores, spreads : the metric that chose; mean and standard deviation over the outer folds of every metric
    threshold : a binary model says ``classes[1]`` from this probability on; None: whichever class is likelier. Of
        several labels a list: each is said from its own probability on; None: from one half on
    parity, parity_rows : largest difference between this graph and the model in memory, over that many held-out rows
    versions : of the libraries that made the model; `save` fills them in
    architecture : of the network whose weights lie beside the graph, for whoever goes on training it; empty without
    quantization : whether operations of the graph compute in fewer bits, and why or why not; empty where none could.
        ``parity`` is that of the graph before, and the weights are whole
    """

    contender: str = ""
    title: str = ""
    summary: str = ""
    preparation: tuple[str, ...] = ()
    data: Fingerprint = Fingerprint()
    metric: str = ""
    scores: dict[str, float | None] = {}
    spreads: dict[str, float | None] = {}
    threshold: Probability | tuple[Probability, ...] | None = None
    parity: float | None = None
    parity_rows: int = 0
    versions: dict[str, str] = {}
    architecture: dict[str, Any] = {}
    quantization: str = ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about a saved model but its numbers: what it asks, what it answers, and what is told about it."""

    format: Literal["annvil.bundle"] = "annvil.bundle"
    format_version: int = FORMAT_VERSION
    created_by: str
    form: Form
    task: AnyTask
    info: Info
    parts: dict[str, Part]


def describe_part(content: bytes) -> Part:
    """Size and SHA-256 of a part."""
    return Part(len(content), hashlib.sha256(content).hexdigest())


def described(parts: Mapping[str, bytes]) -> dict[str, Part]:
    """`describe_part` of each."""
    return {name: describe_part(content) for name, content in parts.items()}


def describe(form: Form, task: Task, info: Info, parts: Mapping[str, Part]) -> Manifest:
    """The manifest of a model made by this version."""
    creator = f"annvil {version('annvil')}"
    return Manifest(created_by=creator, form=form, task=tagged(task), info=info, parts=dict(parts))


class _Header(msgspec.Struct, frozen=True):
    """What every format version has, so that a model from the future can be named."""

    format: str
    format_version: int
    created_by: str


def write_manifest(manifest: msgspec.Struct) -> bytes:
    """The manifest as indented JSON with its seal in the first line."""
    body = msgspec.json.format(msgspec.json.encode(manifest), indent=1)[1:]
    return b'{\n "seal": "%s",%s' % (hashlib.sha256(body).hexdigest().encode(), body)


def decoded(content: bytes, where: str, convert: Callable[[bytes], M]) -> M:
    """What ``convert`` makes of the JSON below the seal; raises as `read_manifest` does, whatever is wrong."""
    sealed = _SEALED.fullmatch(content)
    if sealed is None:
        raise BundleError(f"{where} is not the manifest of an Annvil model.")
    seal, body = sealed.groups()
    if hashlib.sha256(body).hexdigest() != seal.decode():
        raise BundleError(
            f"{where} was changed or damaged after it was written. Copy the model again, or fit it again."
        )
    try:
        return convert(b"{" + body)
    except MachineError as error:
        raise BundleError(f"{where} cannot be read here. {error}") from None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BundleError(f"{where} is not a manifest this version can read: {str(error)[:200]}.") from None


def read_manifest(content: bytes, where: str) -> Manifest:
    """The manifest in ``content``, its seal, version, types and consistency checked; ``where`` names it in errors.

    Raises
    ------
    BundleError
        When it was changed after it was written, comes from a later version, or is no manifest of a model.
    """

    def convert(body: bytes) -> Manifest:
        plain = msgspec.json.decode(body)
        header = msgspec.convert(plain, _Header)
        if header.format == FORMAT and header.format_version > FORMAT_VERSION:
            raise BundleError(
                f"{where} has format {header.format_version}, written by {header.created_by[:60]!r}; "
                f"this version reads formats up to {FORMAT_VERSION}. Upgrade annvil to load it."
            )
        return msgspec.convert(migrated(plain, header.format_version), Manifest, dec_hook=_form)

    manifest = decoded(content, where, convert)
    _check_consistency(manifest, where)
    return manifest


def _form(kind: type, plain: Any) -> Form:
    try:
        return read_form(plain)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"of its form: {error}") from None


def _check_consistency(manifest: Manifest, where: str) -> None:
    """What types alone cannot say."""
    classes, form = manifest.task.classes, manifest.form.check()
    task, decision = manifest.task.check(), manifest.task.check_decision(manifest.info.threshold)
    known = set(LARGEST_PART) - {MANIFEST}
    for holds, what in (
        (form is None, form),
        (task is None, task),
        (len({(type(label), label) for label in classes}) == len(classes), "two of its classes are the same"),
        (decision is None, decision),
        (GRAPH in manifest.parts, f"it lists no {GRAPH}"),
        (set(manifest.parts) <= known, f"it lists parts other than {' and '.join(sorted(known))}"),
        (all(part.size <= LARGEST_PART.get(name, 0) for name, part in manifest.parts.items()), "a part is too large"),
    ):
        if not holds:
            raise BundleError(f"{where} contradicts itself: {what}.")
