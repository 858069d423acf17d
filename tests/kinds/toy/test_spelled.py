"""Answers that are sequences of words, from the command line to the bundle, in a kind of somebody else's."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def annvil(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("spelled.py"), site / "spelled_kind.py")
    info = site / "spelled_kind-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spelled-kind\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[annvil.kinds]\nspelled = spelled_kind\n")
    path = os.pathsep.join([str(site), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])

    def call(*words):
        made = [sys.executable, "-m", "annvil.cli", *map(str, words)]
        return subprocess.run(made, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=False)

    return call


def lines(seed, n):
    """Numbers near the codes of words, and the words."""
    random, words = np.random.default_rng(seed), ("one", "two", "three")
    for _ in range(n):
        codes = random.integers(0, 3, random.integers(1, 5))
        yield " ".join(f"{code:.3f}" for code in codes + random.normal(0, 0.2, len(codes))), [words[k] for k in codes]


@pytest.fixture(scope="module")
def run(annvil, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spelled")
    (folder / "list.spelled").write_text("\n".join(f"{given}\t{' '.join(said)}" for given, said in lines(0, 150)))
    shown = annvil("fit", folder / "list.spelled", "--budget", "120s", "--out", folder / "runs", "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_decoders_are_compared_by_words_and_nobody_averages_them(run):
    scores = {row["contender"]: row["word_error_rate"] for row in run["scores"]}
    assert set(scores) == {"dummy", "rounding", "shifted"}  # and no team
    assert scores["rounding"] < 0.1 < scores["shifted"] < scores["dummy"]
    assert run["scores"][0]["contender"] == "rounding"
    page = Path(run["report"]).read_text()
    assert "word error rate" in page
    assert "taken for another" in page


def test_the_bundle_says_words(annvil, run, tmp_path):
    new = list(lines(1, 30))
    (tmp_path / "new.spelled").write_text("\n".join(given for given, _ in new))
    shown = annvil("predict", run["folder"], tmp_path / "new.spelled")
    assert shown.returncode == 0, shown.stderr
    heading, *said = shown.stdout.splitlines()
    assert heading == "predicted_said"
    assert np.mean([one == " ".join(words) for one, (_, words) in zip(said, new, strict=True)]) > 0.85
