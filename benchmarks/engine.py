"""How fast the engine trains, beside what others would have used.

    python benchmarks/engine.py [--work NAME …] [--rounds 5] [--seconds 0.5]
    python benchmarks/engine.py --list
    python benchmarks/engine.py --check            # are results the same as the frameworks' own?
    python benchmarks/engine.py … --write          # puts what is printed into benchmarks/RESULTS.md as well

A round runs everybody once, one after another in an order that changes, each at one thread and at all cores; the first
round warms up, and what is a third slower at one of the two is run at the other only. Ratios are taken within rounds;
shown are their median and range, which stay comparable on a machine that others use too. Everybody is shown at their
best number of threads. Annvil chooses its own. Goals are set beside the peers as they train by themselves, in one
process; two processes at once and bfloat16 autocast, which their users could add, are shown beside them. Of the two
shares of the float32 peak asked for on "mlp-784", one is enough.

Timed is the steady state: training starts anew in every measurement, for as many epochs as fill ``--seconds``, and the
first epoch, with whatever it builds, compiles or records, is left out. What that epoch took beyond a later one in
the very first measurement stands in the column "set-up"; importing libraries is in neither ("overhead" has Annvil's).
Whole calls take set-up plus samples over speed. Nobody validates, except pytabkit (see `peers.packed`) and, on
"candidates", Annvil. Every trainer is described where it is called: benchmarks/peers.

Of "candidates" only a part is run: 8 of 64 candidates for two to three epochs, and one candidate of pytabkit's, whose
time is proportional to their number; the seconds for 64 candidates × 8 folds × 256 epochs (RealMLP's default) are
computed from the speeds.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from peers import overhead
from peers.clock import Epochs
from peers.homes import Homes
from peers.table import CANDIDATES, CORES, ENTRIES, Entry, Goal, Runner

RESULTS = Path(__file__).with_name("RESULTS.md")
OTHER_WORKS = ("overhead",)
PACKAGES = ("torch", "scikit-learn", "keras", "jax", "skorch", "lightning", "tabm", "pytabkit")
SLOWER = 2 / 3
"""A number of threads this much slower than another in the first round is not run again (assumed)."""

Task = tuple[Runner, int]


class Measured:
    """Speeds of all runners of a work: for each number of threads, one a round."""

    def __init__(self, entry: Entry, homes: Homes, rounds: int, seconds: float) -> None:
        self.entry, self.homes = entry, homes
        self.speeds: dict[str, dict[int, list[float]]] = {}
        self.setup: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self._samples: dict[Task, int] = {}
        tasks = [(runner, threads) for runner in entry.runners for threads in runner.homes]
        first = {task: self._first(task) for task in tasks}
        tasks = [task for task in tasks if first[task] and first[task] > SLOWER * self._best_first(first, task[0])]
        for runner, threads in tasks:
            self.speeds.setdefault(runner.name, {})[threads] = []
        for number in range(rounds):
            start = number % max(1, len(tasks))
            for task in tasks[start:] + tasks[:start]:
                self._again(task, 1 + max(1, round(seconds * first[task] / self._samples[task])))

    def _first(self, task: Task) -> float:
        """The first measurement: warms up, shows the set-up, says how many epochs fill the time. 0 where it failed."""
        try:
            found = self._run(task, 2)
        except Exception as error:  # one trainer's failure must not end the benchmark; it stands in the table
            self.failed[task[0].name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            return 0.0
        self._samples[task] = found[0].samples
        self.setup.setdefault(task[0].name, max(run.setup_seconds for run in found))
        return found[0].rate

    @staticmethod
    def _best_first(first: dict[Task, float], runner: Runner) -> float:
        return max(speed for (other, _), speed in first.items() if other is runner)

    def _again(self, task: Task, epochs: int) -> None:
        runner, threads = task
        speed = sum(run.rate for run in self._run(task, epochs))
        self.speeds[runner.name][threads].append(speed)

    def _run(self, task: Task, epochs: int) -> list[Epochs]:
        runner, threads = task
        homes = [runner.homes[threads], *([runner.second] if runner.second else [])]
        arguments = (runner.function, self.entry.work, epochs, threads)
        waiting = [self.homes.send(home, *arguments, **runner.options) for home in homes]
        return [future.result() for future in waiting]

    def threads(self, name: str) -> int:
        """The number of threads with the highest median."""
        return max(self.speeds[name], key=lambda count: statistics.median(self.speeds[name][count]))

    def best(self, name: str) -> list[float]:
        """Speeds at that number of threads."""
        return self.speeds[name][self.threads(name)]

    def best_peer(self) -> str:
        """The fastest of the peers."""
        peers = [r.name for r in self.entry.runners if r.role == "peer" and r.name in self.speeds]
        return max(peers, key=lambda name: statistics.median(self.best(name)))


def show(measured: Measured) -> list[str]:
    """The table of a work."""
    work, runners = measured.entry.work, measured.entry.runners
    ours = runners[0].name
    lines = [f"\n### {work.name}: {work.title}\n"]
    lines += [f"| | threads | thousand samples/s | set-up s | {ours} is … times as fast |", "|---|--:|--:|--:|--:|"]
    for runner in runners:
        name = runner.name
        if name not in measured.speeds:
            lines.append(f"| {name} | – | – | – | failed: {measured.failed[name]} |")
            continue
        speeds, threads = measured.best(name), measured.threads(name)
        if runner.role == "peak":
            lines.append(f"| {name} | {threads} | ({statistics.median(speeds) / 1e9:.0f} GFLOP/s) | | |")
            continue
        paired = ratios(measured.best(ours), speeds) if ours in measured.speeds and name != ours else ""
        speed = f"{statistics.median(speeds) / 1e3:.3g}"
        lines.append(f"| {name} | {threads or 'own'} | {speed} | {measured.setup[name]:.2f} | {paired} |")
    return lines + (_whole_search(measured) if work is CANDIDATES else [])


def _whole_search(measured: Measured) -> list[str]:
    samples = 64 * 8 * 256 * CANDIDATES.rows * 7 / 8
    times = [f"{name} {samples / statistics.median(measured.best(name)):,.0f} s" for name in measured.speeds]
    return [f"\n64 candidates × 8 folds × 256 epochs, computed: {'; '.join(times)}."]


def judge(measured: Measured, goal: Goal) -> str:
    """A row of the table of goals."""
    work, ours = measured.entry.work, goal.ours
    against = measured.best_peer() if goal.against == "the best peer" else goal.against
    if ours not in measured.speeds or against not in measured.speeds:
        return f"| {work.name} | {ours} | {against} | did not run | | |"
    scale = measured.homes.send("torch", "peers.single:flops", work).result() if goal.of_peak else 1.0
    mine = [speed * scale for speed in measured.best(ours)]
    reached = statistics.median(a / b for a, b in zip(mine, measured.best(against), strict=True))
    wanted = "–" if goal.factor is None else f"{goal.factor:g}"
    verdict = "–" if goal.factor is None else "met" if reached >= goal.factor else "**not met**"
    return f"| {work.name} | {ours} | {against} | {ratios(mine, measured.best(against))} | {wanted} | {verdict} |"


def ratios(mine: list[float], theirs: list[float]) -> str:
    """Median and range of the ratios within the rounds."""
    each = sorted(a / b for a, b in zip(mine, theirs, strict=True))
    return f"{statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})"


def run(homes: Homes, works: list[str], rounds: int, seconds: float) -> Iterator[str]:
    """Lines of Markdown, as they are found out."""
    goals = [
        "\n### Goals\n",
        "| work | | beside | times as fast, or share of peak | goal | |",
        "|---|---|---|--:|--:|---|",
    ]
    for entry in ENTRIES:
        if entry.work.name in works:
            measured = Measured(entry, homes, rounds, seconds)
            yield from show(measured)
            goals += [judge(measured, goal) for goal in entry.goals]
    if "overhead" in works:
        yield from overhead.measure(rounds)
    if len(goals) > 3:
        yield from goals


def main() -> None:
    names = [entry.work.name for entry in ENTRIES] + list(OTHER_WORKS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+", choices=names, default=names, metavar="NAME", help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a measurement, at least (default 0.5)")
    parser.add_argument("--list", action="store_true", help="show the works and end")
    parser.add_argument("--check", action="store_true", help="whether results are the same as the frameworks' own")
    parser.add_argument("--write", action="store_true", help="put what is printed into benchmarks/RESULTS.md as well")
    asked = parser.parse_args()
    if asked.list:
        for entry in ENTRIES:
            print(f"{entry.work.name:14} {entry.work.title}")
        print(f"{'overhead':14} import, recording and first step over bare PyTorch")
        return
    homes = Homes()
    name = "equality" if asked.check else "engine"
    lines = [about()]
    print(lines[0])
    try:
        found = homes.send("annvil", "peers.equality:report").result() if asked.check else None
        for line in found or run(homes, asked.work, asked.rounds, asked.seconds):
            print(line, flush=True)
            lines.append(line)
    finally:
        homes.close()
    if asked.write:
        write(name, "\n".join(lines))


def about() -> str:
    """Machine and versions."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return f"{platform.processor() or platform.machine()}, {CORES} cores, load {os.getloadavg()[0]:.1f}; {versions}"


def write(name: str, text: str) -> None:
    """Replace what stands between the marks of that name in the results."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(begin)
    if end not in rest:
        raise SystemExit(f"{RESULTS} has no lines {begin} and {end}.")
    RESULTS.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
