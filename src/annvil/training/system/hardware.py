"""What pays on this machine: measured once, remembered, so that the same machine makes the same choice again.

The measurements live in ``annvil/machine.json`` in the user's cache folder (``XDG_CACHE_HOME`` or ``~/.cache``), by
processor, PyTorch version and number of cores. A damaged file is measured anew; if it cannot be written, every process
measures.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from annvil.errors import MachineError
from annvil.files import write_json
from annvil.system.cache import cache_root
from annvil.system.processors import allowed_cores, processor_type

_WORTH = 1.3  # a gain that is surely no noise (assumed)


def cores() -> int:
    """Cores that this process may use: what PyTorch was given, at most what the system allows."""
    return max(1, min(allowed_cores(), torch.get_num_threads()))


def made_with() -> str:
    """What the bits of a result hang on beside the request and the precision, in words."""
    of_mkl = os.environ.get("MKL_CBWR", "not set")
    return f"{processor_type()}, {cores()} cores, MKL_CBWR {of_mkl}, PyTorch {torch.__version__}"


def bfloat16_gain() -> float:
    """How many times faster a product of 256 × 256 matrices is in bfloat16, rounding and widening included."""
    return _remembered("bfloat16_gain", _measure_bfloat16)


def second_worker_gain() -> float:
    """How many times more steps two workers do together than one, on two cores.

    The number of workers changes no result, so a gain that was small, perhaps because others were using the machine, is
    measured again by the next process.
    """
    return _remembered("second_worker_gain", _measure_workers, unless=lambda gain: gain < _WORTH)


def bfloat16_pays() -> bool:
    """Whether products that are large enough should be rounded to bfloat16 here."""
    return bfloat16_gain() >= _WORTH


def workers_pay() -> bool:
    """Whether packs should be trained side by side."""
    return cores() > 1 and second_worker_gain() >= _WORTH


def cache_file() -> Path:
    """Where the measurements are remembered."""
    return cache_root() / "machine.json"


_in_this_process: dict[tuple[Path, str], float] = {}


def _remembered(name: str, measure: Callable[[], float], unless: Callable[[float], bool] = lambda gain: False) -> float:
    """What was measured before; otherwise measure, and remember it in the file ``unless`` it should not be."""
    if (cache_file(), name) in _in_this_process:
        return _in_this_process[cache_file(), name]
    known = _read()
    here = known.setdefault(_this_machine(), {})
    found = here.get(name)
    if not isinstance(found, int | float) or unless(found):
        found = here[name] = round(measure(), 3)
        if not unless(found):
            with suppress(MachineError):  # a read-only home: nothing is lost but the time to measure again
                write_json(cache_file(), known)
    _in_this_process[cache_file(), name] = float(found)
    return float(found)


def _read() -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: values for name, values in known.items() if isinstance(values, dict)}


def _this_machine() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        of_interest = ("model name", "model", "stepping")
        name = " ".join(value.strip() for key, value in fields.items() if key.strip() in of_interest)
        name += " AMX" if "amx_bf16" in fields.get("flags\t\t", "") else ""
    except OSError:
        pass
    return f"{name} | torch {torch.__version__} | {cores()} cores"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch's thread count meanwhile; it is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@threads(1)
def _measure_bfloat16() -> float:
    left, right, product = (torch.ones(4, 256, 256) for _ in range(3))
    narrow = [tensor.bfloat16() for tensor in (left, right, product)]

    def rounded() -> None:
        narrow[0].copy_(left)
        torch.bmm(narrow[0], narrow[1], out=narrow[2])
        product.copy_(narrow[2])

    return _seconds(lambda: torch.bmm(left, right, out=product)) / _seconds(rounded)


@threads(1)
def _measure_workers() -> float:
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # Short bursts and many, so that even a busy machine is likely to leave both cores alone once.
        alone = _seconds(lambda: pool.submit(_some_steps).result(), 20, time.perf_counter)
        together = _seconds(lambda: list(pool.map(_some_steps, range(2))), 60, time.perf_counter)
    return 2 * alone / together


def _some_steps(_: int = 0) -> None:
    """A millisecond of operations of about the size that a pack of small networks has."""
    x, weight, y = torch.ones(16, 32, 64), torch.ones(16, 64, 64), torch.empty(16, 32, 64)
    for _ in range(40):
        torch.bmm(x, weight, out=y)
        torch.clamp_min(y, 0.0, out=y)


def _seconds(run: Callable[[], Any], repeats: int = 10, clock: Callable[[], float] = time.thread_time) -> float:
    """The shortest of several runs; in processor time of this thread, so that other programs do not count."""
    times = []
    for _ in range(1 + repeats):  # the first one is for warming up
        start = clock()
        run()
        times.append(clock() - start)
    return max(min(times[1:]), 1e-9)
