"""What was asked for: everything `fit` was told, in a form that can be kept and repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from annvil.files import from_here
from annvil.kinds.registry import options_of_kinds
from annvil.options import Declared, FitOptions, declared, quoted


@dataclass(frozen=True)
class FitRequest:
    """The arguments of one `fit`, as kept in ``request.json``.

    Attributes
    ----------
    data : a path or a ``sample:`` name, or None when rows came from memory (then the run folder keeps a copy)
    asked : the options that every kind of data has
    given : those that only some kinds have, by name, where they are not at their default
    kind : name of the kind of data; empty in files of earlier versions
    start_digest : knows again what the fit rests on beside the data (`annvil.kinds.found.Loaded`)
    """

    data: str | None
    asked: FitOptions = field(default_factory=FitOptions)
    given: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    start_digest: str | None = None

    def command(self) -> str:
        """The command line that repeats this request; for data from memory, the Python call."""
        if self.data is None:
            return f"annvil.fit(data, {', '.join(f'{one.name}={value!r}' for one, value in self._named())})"
        words = [word for one, value in self._named() for word in one.words(value)]
        return quoted(["annvil", "fit", self.data, *words])

    def elsewhere(self) -> FitRequest:
        """The same, but for where on this machine things lie: every whole path in it is told by its end."""

        def told(value: Any) -> Any:
            whole = isinstance(value, str) and Path(value).is_absolute()
            return str(from_here(Path(value), last=1)) if whole else value

        asked = {name: told(value) for name, value in msgspec.structs.asdict(self.asked).items()}
        asked["out"] = str(from_here(Path(self.asked.out), last=1))
        given = {name: told(value) for name, value in self.given.items()}
        return replace(self, data=told(self.data), asked=FitOptions(**asked), given=given)

    def encoded(self) -> bytes:
        """As JSON, every option under its name."""
        plain = {"data": self.data, "kind": self.kind, "start_digest": self.start_digest}
        plain |= {one.name: getattr(self.asked, one.name) for one in declared(FitOptions) if one.option.kept}
        return msgspec.json.format(msgspec.json.encode(plain | dict(self.given)), indent=1)

    def _named(self) -> Iterator[tuple[Declared, Any]]:
        """Options that the command must name, with their values."""
        for one in declared(FitOptions):
            value = getattr(self.asked, one.name)
            if one.option.kept and (one.option.always or value != one.default):
                yield one, value
        known = options_of_kinds()
        for name, value in self.given.items():
            yield known[name][0], value


def decode_request(content: bytes) -> FitRequest:
    """A request that `FitRequest.encoded` wrote, in this version or an earlier one.

    Raises
    ------
    msgspec.MsgspecError
        When it is none.
    """
    plain = msgspec.json.decode(content, type=dict[str, Any])
    head = msgspec.convert(plain, _Head)
    if "budget_seconds" in plain:
        plain["budget"] = plain.pop("budget_seconds")
    generic = {one.name for one in declared(FitOptions)}
    own = generic | set(_Head.__struct_fields__)
    given = {name: value for name, value in plain.items() if name not in own and value is not None}
    return FitRequest(head.data, msgspec.convert(plain, FitOptions), given, head.kind, head.start_digest)


class _Head(msgspec.Struct):
    """What a request holds beside its options."""

    data: str | None = None
    kind: str = ""
    start_digest: str | None = None
