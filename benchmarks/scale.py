"""How time and memory grow from ten thousand to a million rows.

    python benchmarks/scale.py [--rows 10000 100000 1000000] [--budget 4m]

Makes a table of 30 mixed columns (20 numbers, 8 categories, 1 date, 1 yes/no; missing values), writes it as Parquet,
fits it in a fresh process per size, and prints wall time, processor time and peak resident memory of that process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def make_table(path: Path, n_rows: int, seed: int = 0) -> None:
    """Write the table: the target depends on interactions of numbers, on two categories and on the hour of the date."""
    import duckdb

    random = np.random.default_rng(seed)
    numbers = random.standard_normal((n_rows, 20)).astype(np.float32)
    categories = {f"category_{i}": random.integers(0, 3 + 5 * i, n_rows) for i in range(8)}
    when = random.integers(1_600_000_000, 1_700_000_000, n_rows)
    member = random.random(n_rows) < 0.3
    effect = random.standard_normal(40)
    signal = (
        np.sin(2 * numbers[:, 0]) * numbers[:, 1]
        + numbers[:, 2] * (numbers[:, 3] > 0)
        + effect[categories["category_2"]]
        + effect[categories["category_7"] % 40]
        + np.cos(2 * np.pi * (when // 3600 % 24) / 24)
        + member
    )
    target = np.where(signal + random.standard_normal(n_rows) > 1, "yes", "no").astype(object)
    numbers[random.random(numbers.shape) < 0.03] = np.nan
    columns: dict[str, np.ndarray] = {f"number_{i}": numbers[:, i] for i in range(20)}
    columns |= {name: np.char.add("level ", codes.astype(str)).astype(object) for name, codes in categories.items()}
    columns |= {"when": when.astype("datetime64[s]"), "member": member, "bought": target}
    with duckdb.connect() as connection:
        connection.register("made", columns)
        quoted = str(path).replace("'", "''")
        connection.execute(f"COPY (SELECT * FROM made) TO '{quoted}' (FORMAT parquet)")


def fit_in_child(path: Path, budget: str, out: Path) -> dict[str, float]:
    """Wall seconds, processor seconds and peak resident MiB of ``annvil fit`` in a process of its own."""
    command = [sys.executable, "-m", "annvil.cli", "fit", str(path), "--target", "bought", "--budget", budget]
    command += ["--out", str(out), "--quiet"]
    started = time.perf_counter()
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=silence)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"The fit of {path.name} ended with status {status}.")
    return {
        "wall_s": time.perf_counter() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--budget", default="4m")
    arguments = parser.parse_args()
    print("| rows | file MB | wall s | cpu s | peak MiB | verdict | recommended | score |")
    print("|--:|--:|--:|--:|--:|---|---|--:|")
    with tempfile.TemporaryDirectory() as temporary:
        for n_rows in arguments.rows:
            path = Path(temporary) / f"made_{n_rows}.parquet"
            # Made elsewhere: a child's peak begins at what its parent held when it was started.
            maker = multiprocessing.get_context("spawn").Process(target=make_table, args=(path, n_rows))
            maker.start()
            maker.join()
            cost = fit_in_child(path, arguments.budget, Path(temporary) / "runs")
            record = json.loads((Path(temporary) / "runs" / f"made_{n_rows}-1" / "comparison.json").read_bytes())
            verdict = record["verdict"]
            best = next(s for s in record["standings"] if s["contender"] == verdict["recommended"])
            print(
                f"| {n_rows:,} | {path.stat().st_size / 1e6:.0f} | {cost['wall_s']:.0f} | {cost['cpu_s']:.0f} "
                f"| {cost['peak_mib']:.0f} | {verdict['kind']} | {best['title']} "
                f"| {best['means'][record['metric']]:.4f} ± {best['spreads'][record['metric']]:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
