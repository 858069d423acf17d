"""Processes that trainers live in for the whole benchmark, so that importing and compiling are paid once.

Annvil has a process of its own, since what it sets for itself must not help or harm the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from typing import Any

EVERYWHERE = {"OMP_WAIT_POLICY": "PASSIVE", "KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""Threads that wait give their core away: on a machine with few cores spinning costs everybody, PyTorch's loop too."""

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "annvil": {},
    "torch": {},
    "torch, second process": {},
    "keras on torch": {},
    "keras on jax, 1 thread": {
        "KERAS_BACKEND": "jax",
        "NPROC": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    },
    "keras on jax": {"KERAS_BACKEND": "jax"},
}


class Homes:
    """The processes, each started when first needed."""

    def __init__(self) -> None:
        self._processes: dict[str, ProcessPoolExecutor] = {}

    def send(self, home: str, function: str, *arguments: Any, **named: Any) -> Future[Any]:
        """Call ``function`` ("module:name") there."""
        if home not in self._processes:
            self._processes[home] = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            with _environment(EVERYWHERE | ENVIRONMENTS[home]):  # the process starts with the first call
                self._processes[home].submit(_call, "peers.single:warm_up").result()
        return self._processes[home].submit(_call, function, *arguments, **named)

    def close(self) -> None:
        """End them."""
        for process in self._processes.values():
            process.shutdown()


def _call(function: str, *arguments: Any, **named: Any) -> Any:
    module, name = function.split(":")
    return getattr(import_module(module), name)(*arguments, **named)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
