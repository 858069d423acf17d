"""How a command ends when it does not end well: a sentence and an exit code, never a traceback.

0    done
2    the data, the request or the machine must change: the message says how
70   a mistake of ours (EX_SOFTWARE of sysexits.h): the message says where the details are
130  stopped by Ctrl-C: the message says how to go on
"""

from __future__ import annotations

import errno
import functools
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import ParamSpec

from annvil.errors import AnnvilError, Interrupted, first_line
from annvil_command import STOPPED, Told

OUR_MISTAKE = 70

OF_THE_MACHINE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
)
"""Full or failing disks, permissions, too many open files; a file that is not there is a mistake of ours."""

P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command, ending as the module's text says. With ``ANNVIL_DEBUG=1`` our own mistakes show their traceback."""

    @functools.wraps(command)
    def guarded_command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except AnnvilError as error:
            _end(str(error), error.exit_code)
        except Interrupted as stop:
            told = ["Stopped.", *stop.so_far, f"Go on with: annvil resume {shlex.quote(stop.folder)}"]
            _end(("\n" if stop.so_far else " ").join(told), STOPPED)
        except KeyboardInterrupt:
            _end("Stopped.", STOPPED)
        except BrokenPipeError:  # the reader has seen enough (`| head`)
            _give_up_output()
            sys.exit(1)
        except Exception as error:
            if os.environ.get("ANNVIL_DEBUG"):
                raise
            sentence = _circumstance(error)
            _end(sentence or _our_mistake(error), AnnvilError.exit_code if sentence else OUR_MISTAKE)

    return guarded_command


def _end(message: str, code: int) -> None:
    from annvil.text.safe import clean

    lines = (clean(line) for line in message.splitlines())
    try:
        sys.stdout.flush()
    except OSError:
        _give_up_output()
    sys.stderr.write("annvil: " + "\n".join(lines) + "\n")
    raise Told(code)


def _give_up_output() -> None:
    """Python would complain once more of a full disk or a closed pipe when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _circumstance(error: Exception) -> str:
    """A sentence where the machine is at fault, not we: disks, permissions, memory; else empty."""
    if isinstance(error, MemoryError):
        return "There is not enough memory for this. Close other programs, or use less data."
    if isinstance(error, ImportError) and ".so" in str(error):
        return (
            f"A library could not be loaded: {first_line(error)}. There may be too little memory (a limit set by "
            "ulimit, say), or the installation is damaged."
        )
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        where = "" if error.filename is None else f" {error.filename}"
        return f"The system refused{where}: {error.strerror or error}. Free some space, or check permissions."
    return ""


def _our_mistake(error: Exception) -> str:
    """A sentence for an exception nobody foresaw; its traceback goes to a file."""
    what = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}" if str(error) else type(error).__name__
    try:
        handle, path = tempfile.mkstemp(prefix="annvil-error-", suffix=".txt", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(f"{' '.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}")
    except OSError:
        return f"A mistake of ours: {what}. Run it again with ANNVIL_DEBUG=1 to see where."
    return f"A mistake of ours: {what}. The details are in {path}; please report them."
