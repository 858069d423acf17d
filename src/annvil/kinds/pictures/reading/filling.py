"""Files → one array file of pixels, by this process or by several workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.chunks import Decoder, Order
from annvil.kinds.pictures.reading.decoding import FACTS, Facts
from annvil.kinds.pictures.reading.listing import Listing

Progress = Callable[[int, int], None]
"""Told how many pictures are done, and of how many."""

HANDFUL = 64
"""Files a worker is given at a time (assumed: some 10 ms of work, against 0.1 ms for the message)."""

Answer = tuple[Facts, dict[int, str]]


def fill(
    listing: Listing, form: PictureForm, target: Path, workers: int, progress: Progress | None
) -> tuple[Facts, dict[int, str]]:
    """Write the pixels of all pictures to ``target``, a ``.npy`` file; returns facts, and what is wrong with which row.

    Raises
    ------
    OSError
        Where the disk is full or cannot be written.
    """
    n = len(listing.pictures)
    offset = _empty_array(target, (n, *form.shape))
    order = Order(str(target), offset, form, str(listing.archive) if listing.archive else None)
    places = [entry.place for entry in listing.pictures]
    handfuls = [(start, places[start : start + HANDFUL]) for start in range(0, n, HANDFUL)]
    facts, wrong = np.zeros(n, FACTS), {}
    done = 0
    alone = workers <= 1 or len(handfuls) < 2 or not sys.executable
    for first, answer in _by_this_process(order, handfuls) if alone else _by_workers(order, handfuls, workers):
        facts[first : first + len(answer[0])] = answer[0]
        wrong.update(answer[1])
        done += len(answer[0])
        if progress is not None:
            progress(done, n)
    return facts, wrong


def _empty_array(target: Path, shape: tuple[int, ...]) -> int:
    """A ``.npy`` file whose zeros take no room yet; returns where the numbers begin."""
    with target.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(stream, header)
        offset = stream.tell()
        stream.truncate(offset + int(np.prod(shape, dtype=np.int64)))
    return offset


def _by_this_process(order: Order, handfuls: Sequence[tuple[int, list[str]]]) -> Iterator[tuple[int, Answer]]:
    with closing(Decoder(order)) as decoder:
        for first, places in handfuls:
            yield first, decoder.decode(first, places)


def _by_workers(order: Order, handfuls: Sequence[tuple[int, list[str]]], workers: int) -> Iterator[tuple[int, Answer]]:
    """Answers as they come. Every worker is asked by a thread of its own."""
    free: SimpleQueue[_Worker] = SimpleQueue()
    team = [_Worker(order) for _ in range(min(workers, len(handfuls)))]
    for worker in team:
        free.put(worker)

    def ask(first: int, places: list[str]) -> tuple[int, Answer]:
        worker = free.get()
        try:
            return first, worker.ask(first, places)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(team), thread_name_prefix="annvil-decode")
    try:
        waiting: set[Future[tuple[int, Answer]]] = set()
        for handful in handfuls:
            waiting.add(pool.submit(ask, *handful))
            if len(waiting) >= 2 * len(team):
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in waiting)
    finally:
        for worker in team:
            worker.stop()
        pool.shutdown(cancel_futures=True)


class _Worker:
    """A subprocess that decodes; when a file kills it, another takes its place and that file is called broken."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._stopped = False
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        paths = os.pathsep.join(path for path in sys.path if path)
        process = subprocess.Popen(
            [sys.executable, "-m", "annvil.kinds.pictures.reading.chunks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries print about files that are reported by name anyway
            text=True,
            encoding="ascii",
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._say(process, self._order.to_json())
        return process

    @staticmethod
    def _say(process: subprocess.Popen[str], line: str) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # its silence is noticed when the answer is read
            process.stdin.write(line + "\n")
            process.stdin.flush()

    def ask(self, first: int, places: list[str]) -> Answer:
        """The answer to one handful; file by file where the worker died of it."""
        answer = self._ask_once(first, places)
        if answer is not None:
            return answer
        facts, wrong = np.zeros(len(places), FACTS), {}
        for i, place in enumerate(places):
            one = self._ask_once(first + i, [place])
            if one is None:
                wrong[first + i] = "crashes its decoder"
            else:
                facts[i] = one[0][0]
                wrong.update(one[1])
        return facts, wrong

    def _ask_once(self, first: int, places: list[str]) -> Answer | None:
        """The answer, or None where the worker died; then there is a new one."""
        self._say(self._process, json.dumps([first, places]))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            self._end(self._process)
            if self._stopped:
                raise InterruptedError("the decoding was stopped")
            self._process = self._start()
            return None
        answer = json.loads(line)
        if "failed" in answer:
            raise OSError(*answer["failed"])
        facts = np.frombuffer(bytes.fromhex(answer["facts"]), FACTS)
        return facts, {int(row): reason for row, reason in answer["wrong"].items()}

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._stopped = True
        self._end(self._process)

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
