"""Commands that sound alone has: `annvil listen`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from annvil.errors import RequestError
from annvil.files import write_where_told
from annvil.kinds.commands import Command, Told
from annvil.kinds.found import Progress
from annvil.options import Option


def seconds_in(hop: Any) -> float:
    """A short time from a text.

    >>> seconds_in("100ms"), seconds_in("0.05s"), seconds_in(0.2)
    (0.1, 0.05, 0.2)

    Raises
    ------
    RequestError
        When it is none.
    """
    text = str(hop).strip().lower()
    try:
        found = float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise RequestError(f"hop is a time, such as 100ms or 0.05s; got {hop!r}.")
    return found


class ListenOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `annvil listen` takes."""

    model: Annotated[
        str,
        Option(
            "Folder of a run of clips with classes, or its saved model.",
            metavar="RUN_OR_MODEL",
            argument=True,
            panel="",
        ),
    ]
    recording: Annotated[
        str | None,
        Option("A sound file of any length.", metavar="RECORDING", argument=True, panel=""),
    ] = None
    out: Annotated[
        str | None,
        Option(
            "Table of what is found: start and end in seconds, word, probability.", short="-o", metavar="FILE", panel=""
        ),
    ] = None
    threshold: Annotated[
        float | None,
        Option(
            "The least probability that counts. Default: that which keeps to --false-alarms-per-hour.",
            metavar="PROBABILITY",
            panel="",
        ),
    ] = None
    false_alarms_per_hour: Annotated[float, Option("False alarms an hour that may be.", metavar="NUMBER", panel="")] = (
        1.0
    )
    background: Annotated[
        str | None,
        Option(
            "A recording without any of the words, from which the threshold is taken. Default: sounds made from "
            "held-out clips of the run.",
            metavar="FILE",
            panel="",
        ),
    ] = None
    hop: Annotated[
        float,
        Option(
            "Time between two windows, where a sound lasts longer than a clip and windows slide over it.",
            metavar="TIME",
            clean=seconds_in,
            shown="100ms",
            panel="",
        ),
    ] = 0.1
    microphone: Annotated[
        bool, Option("Listen to the microphone instead of a file, until Ctrl-C (extra 'microphone').", panel="")
    ] = False
    seconds: Annotated[
        float | None, Option("Time after which the microphone is turned off.", metavar="NUMBER", panel="")
    ] = None


def _listen(options: ListenOptions, tell: Callable[[str], None], progress: Progress) -> Told:
    from annvil.kinds.sound.listening.detecting import listen
    from annvil.kinds.sound.listening.live import listen_live

    if options.microphone == (options.recording is not None):
        raise RequestError("Name a recording to listen to, or give --microphone; not both.")
    if options.seconds is not None and not (options.microphone and options.seconds > 0):
        raise RequestError("--seconds is a time after which --microphone is turned off; recordings are heard whole.")
    _check(options.out, [options.recording, options.background])
    asked: dict[str, Any] = {
        "threshold": options.threshold,
        "false_alarms_per_hour": options.false_alarms_per_hour,
        "hop_seconds": options.hop,
        "background": options.background,
        "tell": tell,
    }
    if options.recording is None:
        found = listen_live(options.model, options.seconds, **asked)
    else:
        found = listen(options.model, options.recording, **asked)
    if options.out is not None:
        write_where_told(Path(options.out), found.csv().encode("utf-8", errors="replace"))
    return Told(found.sentences(), found.to_json())


def _check(out: str | None, read: list[str | None]) -> None:
    """Before anything is computed: the file lies in a folder that is there, and is none of those read."""
    if out is None:
        return
    path = Path(out)
    if path.resolve() in [Path(one).resolve() for one in read if one is not None]:
        raise RequestError(f"{out} is what is listened to and would be overwritten; choose another name.")
    if path.is_dir():
        raise RequestError(f"{out} is a folder; name a file to write.")
    if not path.resolve().parent.is_dir():
        raise RequestError(f"There is no folder {path.resolve().parent} to write {path.name} to.")


COMMANDS = {
    "listen": Command(
        "Find the words of a model of clips in a long recording, or in what a microphone hears.", ListenOptions, _listen
    )
}
