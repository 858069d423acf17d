"""A kind of data that Annvil has never heard of, registered by an entry point, from the command line to the bundle."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BUDGET = "120s"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that holds the kind as an installed distribution would."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("letters.py"), site / "letters_kind.py")
    info = site / "letters_kind-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: letters-kind\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[annvil.kinds]\nletters = letters_kind\n")
    return site


@pytest.fixture(scope="module")
def annvil(installed):
    """Calls the command line in a process that has the kind."""
    path = os.pathsep.join([str(installed), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        made = [sys.executable, "-m", "annvil.cli", *map(str, words)]
        return subprocess.run(made, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=False)

    return call


def texts(seed: int, n: int) -> list[tuple[str, str]]:
    """Those with more a than b are called yes."""
    random = np.random.default_rng(seed)
    made = ["".join(random.choice(list("abcx"), 12)) for _ in range(n)]
    return [(text, "yes" if text.count("a") > text.count("b") else "no") for text in made]


@pytest.fixture(scope="module")
def run(annvil, tmp_path_factory):
    folder = tmp_path_factory.mktemp("letters")
    (folder / "list.words").write_text("\n".join("\t".join(pair) for pair in texts(0, 200)))
    words = ["fit", folder / "list.words", "--alphabet", "abc", "--budget", BUDGET, "--out", folder / "runs", "--json"]
    shown = annvil(*words)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_it_goes_from_a_file_to_a_verdict_and_a_report(run):
    assert {row["contender"] for row in run["scores"]} == {"dummy", "linear"}
    assert run["scores"][0]["contender"] == "linear"
    assert run["scores"][0]["roc_auc"] > 0.95
    page = Path(run["report"]).read_text()
    assert "How often letters occur" in page
    assert "texts" in page
    assert "annvil fit" in page
    assert "--alphabet abc" in page
    request = json.loads((Path(run["folder"]) / "request.json").read_text())
    assert (request["kind"], request["alphabet"]) == ("letters", "abc")


def test_its_bundle_predicts(annvil, run, tmp_path):
    new = texts(1, 50)
    (tmp_path / "new.words").write_text("\n".join(text for text, _ in new))
    shown = annvil("predict", run["folder"], tmp_path / "new.words")
    assert shown.returncode == 0, shown.stderr
    said = [line.split(",")[0] for line in shown.stdout.splitlines()[1:]]
    assert np.mean([a == b for a, (_, b) in zip(said, new, strict=True)]) > 0.85


def test_its_options_are_in_the_help_and_refused_elsewhere(annvil):
    assert "--alphabet" in annvil("fit", "--help").stdout
    refused = annvil("fit", "sample:iris", "--alphabet", "xyz")
    assert refused.returncode == 2
    assert "is for texts" in refused.stderr
