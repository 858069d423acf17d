"""How much memory there is, and how much a piece of work takes: on Linux, macOS and Windows, by psutil."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import psutil

from annvil.errors import MachineError

_CGROUP = Path("/sys/fs/cgroup")
_SAMPLE_SECONDS = 0.01


def available_bytes(cgroup: Path = _CGROUP) -> int:
    """Bytes that can be taken without swapping: of the machine, or of the container if it has less; at least 1.

    A container's files in the cache that nobody has used for a while count as free, as they do for the machine.
    """
    first, second = cgroup / "memory", cgroup  # versions of control groups
    found = [
        int(psutil.virtual_memory().available),
        _of_container(first, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        _of_container(second, "memory.max", "memory.current", "inactive_file"),
    ]
    return max(1, min(free for free in found if free is not None))


def _of_container(folder: Path, limit: str, used: str, reclaimable: str) -> int | None:
    """None without a container, or in one without a limit (version 2 writes "max")."""
    try:
        stat = folder / "memory.stat"
        held = dict(line.split() for line in stat.read_text(encoding="ascii").splitlines()) if stat.exists() else {}
        taken = int((folder / used).read_text(encoding="ascii")) - int(held.get(reclaimable, 0))
        return int((folder / limit).read_text(encoding="ascii")) - taken
    except (OSError, ValueError):
        return None


def resident_bytes() -> int:
    """Memory that the process has in use now."""
    return int(psutil.Process().memory_info().rss)


LEAST_TO_FIT = 1_500_000_000
"""Bytes of address space that the numeric libraries and a small fit take (measured: 1.54 GB do)."""


def require_room_to_fit() -> None:
    """Return unless a limit on the process (``ulimit -v``) leaves too little for the numeric libraries.

    With less some fail while they load, and OpenBLAS waits for memory for ever.

    Raises
    ------
    MachineError
        With the limit, and what is needed.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_TO_FIT:
        raise MachineError(
            f"This process may take {limit / 1e9:.1f} GB of memory (ulimit -v), and fitting needs "
            f"{LEAST_TO_FIT / 1e9:.1f} GB. Raise the limit, or use another machine."
        )


class PeakMemory:
    """Watches, while it is entered, how much memory the process uses; ``peak`` in bytes.

    On Linux the kernel keeps the mark, which is set back on entering: so one of them at a time. Elsewhere it looks
    every hundredth of a second: what training holds it holds for longer than that.
    """

    def __init__(self) -> None:
        self.before = self.peak = 0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> PeakMemory:
        self.before = self.peak = resident_bytes()
        if not _mark_was_set_back():
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        else:
            self.peak = max(self.peak, _mark())

    @property
    def grown(self) -> int:
        """Bytes between entering and the peak."""
        return self.peak - self.before

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, resident_bytes())


def _mark_was_set_back() -> bool:
    """Whether the kernel's high-water mark is the present now (proc(5) on clear_refs), and can be read."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _mark() > 0


def _mark() -> int:
    """The high-water mark, which psutil does not read on Linux; 0 where there is none."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
