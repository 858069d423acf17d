"""How Annvil finds this machine: versions, processor, memory, what was measured, caches, and what would be slow here.

For reports of issues: no names of users, and no paths but below ``~``.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

import psutil

from annvil.system.cache import all_kept, cache_root
from annvil.system.memory import available_bytes
from annvil.system.processors import allowed_cores, bfloat16_units, instruction_sets, processor_type
from annvil.text.quantities import size

SETTINGS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_CBWR", "ATEN_CPU_CAPABILITY"),
    *("ONEDNN_MAX_CPU_ISA", "ORT_DISABLE_TELEMETRY"),
)
"""Variables of the environment that decide how fast libraries are, and what they tell others."""

OF_DEVELOPERS = ("bench", "dev", "docs", "engine-peers", "release", "test")
"""Extras that users do not install."""

LITTLE_MEMORY = 2 << 30
"""Bytes below which fits of usual size may not get on (assumed: a usual one takes half a gigabyte)."""


@dataclass(frozen=True)
class Examination:
    """What was found; everything is JSON-able.

    Attributes
    ----------
    versions : of Annvil, Python and every library that it can use; None where one is not installed
    system, processor : as the system names them
    instruction_sets : of the processor, those that numeric libraries choose by
    cores, cores_of_machine, threads : that this process may use, that there are, and that PyTorch takes
    free_bytes, total_bytes : of memory
    load : programs that waited for a processor during the last minute, on average; None where the system does not say
    settings : variables of the environment that are set
    precision : what large products are computed in, "bfloat16" or "float32"
    bfloat16_gain, second_worker_gain : measured, see `annvil.training.system.hardware`
    cache_folder, caches : where things are kept between runs, and the bytes of each folder there
    slow : what would be slow here and why, in sentences
    """

    versions: dict[str, str | None]
    system: str
    processor: str
    instruction_sets: tuple[str, ...]
    bfloat16_units: str
    cores: int
    cores_of_machine: int
    threads: int
    free_bytes: int
    total_bytes: int
    load: float | None
    settings: dict[str, str]
    precision: str
    bfloat16_gain: float
    second_worker_gain: float | None
    cache_folder: str
    caches: dict[str, int]
    slow: tuple[str, ...]


def examine() -> Examination:
    """Look at the machine; what was never measured here is measured, which takes a second."""
    import torch

    from annvil.training.system import hardware

    cores = allowed_cores()
    second = hardware.second_worker_gain() if hardware.cores() > 1 else None
    load = None
    with suppress(OSError, AttributeError):
        load = round(os.getloadavg()[0], 2)
    found = Examination(
        versions=_versions(),
        system=platform.platform(),
        processor=processor_type(),
        instruction_sets=instruction_sets(),
        bfloat16_units=bfloat16_units(),
        cores=cores,
        cores_of_machine=os.cpu_count() or cores,
        threads=torch.get_num_threads(),
        free_bytes=available_bytes(),
        total_bytes=int(psutil.virtual_memory().total),
        load=load,
        settings={name: os.environ[name] for name in SETTINGS if name in os.environ},
        precision="bfloat16" if hardware.bfloat16_pays() else "float32",
        bfloat16_gain=hardware.bfloat16_gain(),
        second_worker_gain=second,
        cache_folder=_shown_folder(),
        caches=_caches(),
        slow=(),
    )
    return Examination(**{**vars(found), "slow": tuple(slow_here(found))})


def slow_here(found: Examination) -> Iterator[str]:
    """Sentences on what would be slow, each with its reason."""
    if found.cores < found.cores_of_machine:
        yield (
            f"Only {found.cores} of {found.cores_of_machine} cores may be used (a container, taskset or a scheduler "
            "sets that): models and folds wait for each other."
        )
    elif found.cores == 1:
        yield "There is one core: models and folds wait for each other."
    if found.threads < found.cores:
        yield f"PyTorch takes {found.threads} of {found.cores} cores: OMP_NUM_THREADS or MKL_NUM_THREADS may say so."
    if found.load is not None and found.load > 0.5 * found.cores + 1:
        yield (
            f"Other programs keep the processor busy (a load of {found.load:g} on {found.cores} cores): budgets reach "
            "less far."
        )
    if found.precision == "float32":
        why = "has units for it, but gains too little" if found.bfloat16_units else "has no units for it"
        yield (
            f"Networks train in float32, since the processor {why} (bfloat16 is {found.bfloat16_gain:.2g} times as "
            "fast): large networks take several times as long as on processors with AMX or AVX-512 BF16."
        )
    if "SSE4.2" in found.instruction_sets and "AVX2" not in found.instruction_sets:
        yield "The processor has no AVX2: products of matrices are several times as slow."
    if found.second_worker_gain is not None and found.second_worker_gain < 1.3:
        yield (
            f"Two workers do {found.second_worker_gain:.1f} times the work of one: the cores share one processor, or "
            "others use them. Networks train one after another."
        )
    for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"):
        if name in found.settings:
            yield f"{name} is set to {found.settings[name]!r}, which keeps libraries from faster instructions."
    if found.settings.get("MKL_CBWR") == "COMPATIBLE":
        yield "MKL_CBWR is COMPATIBLE: products take about twice as long as with AVX2, which repeats as well."
    if found.settings.get("OMP_WAIT_POLICY", "PASSIVE").upper() != "PASSIVE":
        yield "OMP_WAIT_POLICY is not PASSIVE: idle threads spin, which slows small networks on busy cores."
    if found.free_bytes < LITTLE_MEMORY:
        yield f"{size(found.free_bytes)} of memory is free: large inputs may not fit."
    if not _can_keep():
        yield "Nothing can be kept in the cache folder: inputs are decoded and the machine is measured at every run."


def _versions() -> dict[str, str | None]:
    """Of everything that Annvil's metadata names for users, installed or not."""
    names = set()
    for one in requires("annvil") or ():
        extra = re.search(r"extra == [\"']([\w-]+)", one)
        if extra is None or extra[1] not in OF_DEVELOPERS:
            names.add(re.split(r"[^\w.-]", one, maxsplit=1)[0].lower())
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {"annvil": version("annvil"), **found}


def _shown_folder() -> str:
    """The cache folder, without the user's name."""
    root, home = cache_root(), os.path.expanduser("~")
    try:
        return os.path.join("~", root.relative_to(home).as_posix())
    except ValueError:
        return os.path.join("$XDG_CACHE_HOME", "annvil")


def _caches() -> dict[str, int]:
    """Bytes of each folder or file directly in the cache folder."""
    root = cache_root()
    found: dict[str, int] = {}
    for one in all_kept():
        name = one.path.relative_to(root).parts[0]
        found[name] = found.get(name, 0) + one.n_bytes
    return found


def _can_keep() -> bool:
    """Whether the cache folder, or the nearest folder above it that exists, can be written."""
    there = next(folder for folder in (cache_root(), *cache_root().parents) if folder.exists())
    return os.access(there, os.W_OK)
