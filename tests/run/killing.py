"""Begins a run, kills it again and again at random moments, lets it finish, and prints how often it was killed.

    python tests/run/killing.py DATA TARGET BUDGET OUT KILLS SEED

TARGET is "-" where the data have one of their own.

Libraries are imported once; every sitting is a forked child that is sent SIGKILL, so that no clean-up of any kind runs.
No deadline ever passes here: what a budget cuts off depends on the speed of the machine, and is tested elsewhere.
"""

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import annvil
from annvil.comparison.comparing import _Comparing
from annvil.kinds.tables.contenders import contenders_for_tables  # noqa: F401 (imported before forking)
from annvil.models.jobs import Deadline
from annvil.run import fitting, reporting, shipping  # noqa: F401

Deadline.left = property(lambda deadline: 1e9)
_Comparing._check_budget = lambda comparing: None


def sitting(work, seconds: float | None) -> bool:
    """Run ``work`` in a child, killed after ``seconds``; whether it ended by itself."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    end = float("inf") if seconds is None else time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            if status:
                raise SystemExit(f"a sitting failed by itself with status {status}")
            return True
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.005)


def main() -> None:
    data, target, budget, out, kills, seed = sys.argv[1:]
    chance = random.Random(int(seed))
    folder = Path(out) / f"{Path(data).stem}-1"
    killed = 0

    def begin() -> None:
        annvil.fit(data, target=None if target == "-" else target, budget=budget, out=out)

    while killed < int(kills):
        if (folder / "state.json").exists():
            ended = sitting(lambda: annvil.resume(folder), chance.uniform(0.3, 1.5))
        else:
            ended = sitting(begin, chance.uniform(0.3, 1.5))
        if ended:
            break
        killed += 1
    sitting((lambda: annvil.resume(folder)) if (folder / "state.json").exists() else begin, None)
    print(killed)


if __name__ == "__main__":
    main()
