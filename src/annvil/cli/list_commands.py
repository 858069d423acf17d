"""`annvil runs`, `annvil report`, `annvil samples`, `annvil cache` and `annvil doctor`: what there is."""

from __future__ import annotations

import sys
from pathlib import Path

from annvil.cli.console import print_json, result_console, safe, show_page

ROOMY = 100
"""Columns from which the list of runs names the data and the hour."""


def runs(out: Path, *, as_json: bool) -> None:
    """List the runs in ``out``, newest first."""
    from annvil.run import list_runs

    found = list_runs(out)
    if as_json:
        print_json([{**vars(run), "folder": str(run.folder), "when": run.when.isoformat()} for run in found])
        return
    if not found:
        sys.stderr.write(f"There are no runs in {out}. Make one: annvil fit sample:breast-cancer\n")
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console = result_console()
    wide = console.width >= ROOMY
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for heading in ("Run", *(["Data"] if wide else []), "Target", "Verdict", "Recommended", "When"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Run", "Verdict", "When"))
    for run in found:
        data = [Path(run.data).name] if wide else []  # the run is named after it
        when = f"{run.when:%Y-%m-%d %H:%M}" if wide else f"{run.when:%Y-%m-%d}"
        table.add_row(*map(safe, (run.name, *data, run.target, run.verdict or run.state, run.score, when)))
    console.print(table)


def report(run: Path, *, open_it: bool) -> None:
    """Write the report again, say where it is, and open it where there is a screen."""
    from annvil.run import write_report

    path = write_report(run).resolve()
    sys.stdout.write(f"{path}\n")
    if open_it:
        show_page(path)


def samples(*, as_json: bool) -> None:
    """List the samples, each with what it is."""
    from annvil.data.readers.samples import PREFIX, sample_names

    about = {PREFIX + name: text for name, text in sample_names().items()}
    if as_json:
        print_json(about)
    else:
        width = max(map(len, about))
        sys.stdout.write("".join(f"{name:<{width}}  {text}\n" for name, text in about.items()))


def cache(*, empty: bool, as_json: bool) -> None:
    """Say what is kept between runs, or delete it."""
    from annvil.system.cache import all_kept, cache_root, clear
    from annvil.text.quantities import size

    gone = clear() if empty else []
    left = all_kept()
    if as_json:
        entries = [{"path": str(one.path), "bytes": one.n_bytes} for one in left]
        total = sum(one.n_bytes for one in left)
        print_json({"folder": str(cache_root()), "bytes": total, "cleared": len(gone), "entries": entries})
        return
    if gone:
        sys.stdout.write(f"Deleted {size(sum(one.n_bytes for one in gone))} in {safe(str(cache_root()))}\n")
    if not left and not gone:
        sys.stdout.write(f"Nothing is kept in {safe(str(cache_root()))}\n")
    for one in left:
        sys.stdout.write(f"{size(one.n_bytes):>9}  {safe(str(one.path))}\n")
    if len(left) > 1:
        sys.stdout.write(f"{size(sum(one.n_bytes for one in left)):>9}  together; annvil cache --clear deletes it\n")


def doctor(*, as_json: bool) -> None:
    """Say how Annvil finds this machine, and what would be slow here."""
    from dataclasses import asdict

    from annvil.run.doctor import examine
    from annvil.text.quantities import size

    found = examine()
    if as_json:
        print_json(asdict(found))
        return
    sets = f" ({', '.join(found.instruction_sets)})" if found.instruction_sets else ""
    second = "" if found.second_worker_gain is None else f", two workers {found.second_worker_gain:.1f} times one"
    cached = ", ".join(f"{name} {size(n_bytes)}" for name, n_bytes in found.caches.items()) or "nothing"
    there = {name: said for name, said in found.versions.items() if said is not None}
    lines = {
        "Versions": ", ".join(f"{name} {said}" for name, said in there.items()),
        "Not installed": ", ".join(name for name in found.versions if name not in there) or "nothing",
        "System": found.system,
        "Processor": found.processor + sets,
        "Cores": f"{found.cores} of {found.cores_of_machine}, PyTorch takes {found.threads}",
        "Memory": f"{size(found.free_bytes)} free of {size(found.total_bytes)}",
        "Precision": f"{found.precision} (products are {found.bfloat16_gain:.2g} times as fast in bfloat16{second})",
        "Settings": ", ".join(f"{name}={value}" for name, value in found.settings.items()) or "none",
        "Cache": f"{found.cache_folder}: {cached}",
    }
    width = max(map(len, lines)) + 2
    for title, text in lines.items():
        sys.stdout.write(f"{title:<{width}}{safe(text)}\n")
    for sentence in found.slow or ("Nothing that would be slow here was found.",):
        sys.stdout.write(f"- {safe(sentence)}\n")
