"""Every command: what it calls, what it prints where, and how it ends."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import annvil as package
import annvil_command
from annvil.errors import DataError, Interrupted, RequestError
from annvil.options import split_kinds, split_names


def test_help_names_every_command(annvil):
    shown = annvil("--help")
    assert shown.exit_code == 0
    for command in ("fit", "predict", "report", "runs", "resume", "samples", "--version"):
        assert command in shown.stdout


@pytest.mark.parametrize("command", ["fit", "predict", "report", "runs", "resume", "samples"])
def test_every_command_has_help(annvil, command):
    shown = annvil(command, "--help")
    assert shown.exit_code == 0
    assert "Usage: annvil" in shown.stdout


def test_without_arguments_it_helps(annvil):
    assert "Usage: annvil" in annvil().output


def test_version(annvil):
    assert annvil("--version").stdout == f"annvil {package.__version__}\n"


def test_starting_imports_nothing_heavy():
    code = """
import sys
sys.argv = ["annvil", "--help"]
from annvil.cli import main
try:
    main()
except SystemExit:
    pass
heavy = {"torch", "sklearn", "scipy", "onnx", "onnxruntime", "duckdb", "numpy", "pandas", "narwhals", "jinja2"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


# fit and resume


def test_fit_passes_on_what_it_is_told(annvil, house):
    result = annvil(
        "fit", "buyers.csv", "--target", "buys", "--budget", "1h30m", "--metric", "log_loss", "--worth", "0.02",
        "--groups", "household", "--time", "when", "--task", "binary", "--columns", "age,city", "--columns", "zip",
        "--drop", "id", "--drop", '"a,b"', "--as", "zip=category", "--as", "a=b=number", "--missing", "n/a",
        "--missing", "-999", "--drop-missing-target", "--size", "48x64", "--workers", "2",
        "--from", "runs/flowers-1", "--backbone", "hub/resnet", "--seed", "7", "--out", "elsewhere",
        "--use-all", "--explainable", "--monotone", "age=increasing", "--like", "runs/buyers-0",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert house.calls == [
        (
            "fit",
            "buyers.csv",
            {
                "target": "buys",
                "budget": "1h30m",
                "metric": "log_loss",
                "worth": 0.02,
                "groups": "household",
                "time": "when",
                "task": "binary",
                "columns": ("age", "city", "zip"),
                "drop": ("id", "a,b"),
                "kinds": {"zip": "category", "a=b": "number"},
                "missing": ("n/a", "-999"),
                "drop_missing_target": True,
                "size": "48x64",
                "workers": 2,
                "start": "runs/flowers-1",
                "backbone": "hub/resnet",
                "seed": 7,
                "use_all": True,
                "explainable": True,
                "monotone": {"age": "increasing"},
                "like": "runs/buyers-0",
                "out": "elsewhere",
            },
        )
    ]


def test_fit_has_the_defaults_of_the_library(annvil, house):
    """What is not said on the command line is what `annvil.run.fit` does by itself."""
    from annvil.kinds.registry import fit_options

    annvil("fit", "buyers.csv")
    ((_, _, options),) = house.calls
    known = {one.name: one for one in fit_options()}
    assert {name: known[name].option.clean(value) for name, value in options.items()} == {
        name: known[name].default for name in options
    }


@pytest.fixture
def whole_process():
    """`annvil_command.main` leaves a process that is about to end."""
    before = signal.getsignal(signal.SIGINT)
    yield
    gc.unfreeze()
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("whole_process")
@pytest.mark.parametrize("asked", [["fit", "buyers.csv"], ["resume", "begun"]])
def test_the_budget_counts_from_the_start_of_the_process(house, begun, monkeypatch, asked):
    """Importing what a command needs takes seconds on a busy machine, and people look at the whole of it."""
    monkeypatch.setattr(sys, "argv", ["annvil", *(str(begun.folder) if one == "begun" else one for one in asked)])
    monkeypatch.setattr(annvil_command, "_loading", 12.5)
    monkeypatch.setattr(annvil_command, "_started", None)
    with pytest.raises(SystemExit) as ended:
        annvil_command.main()
    assert ended.value.code == 0
    assert house.started == 12.5


def test_fit_shows_the_verdict_and_where_things_are(annvil, house):
    result = annvil("fit", "buyers.csv", "--target", "buys")
    assert result.exit_code == 0
    for text in (
        "Verdict   Practically equal",
        "No network needed.",
        "Use       Boosted trees  ROC AUC 0.871",
        "Boosted trees         0.871 ± 0.021   2 of 4",
        "still improves",
        "Look at   ! Leak: age",
        f"Next      annvil predict {house.folder} new.csv -o predictions.csv",
        "skipped: too many rows",
        f"Report    {house.folder}/report.html",
        f"Model     {house.folder}/model",
        "Notice    k-nearest neighbours skipped: too many rows.",
    ):
        assert text in result.stdout, text
    assert "one column for each city" not in result.stdout


def test_the_reasons_are_left_to_the_report(annvil, house):
    shown = annvil("fit", "buyers.csv").stdout
    assert "Boosted trees cost 1/40 to train." not in shown
    assert "More rows would not change this" not in shown
    assert "report.html  (and why)" in shown


def test_progress_goes_to_standard_error_in_lines(annvil, house):
    result = annvil("fit", "buyers.csv", "--target", "buys")
    for text in (
        "buyers.csv: 4 rows, 4 columns; comma, UTF-8",
        "buys: 2 classes: no (2) and yes (2); it has two values",
        "Left out    id (identifier)",
        "! 'age' alone predicts 'buys' almost perfectly.",
        "Comparing",
        "! Fewer folds: the budget is short.",
        "   0:01  k-nearest neighbours: skipped, too many rows\n",
        "   0:07  Logistic regression, step 1 of 4: 1 candidate, one holdout (the first fair training of everybody; ab",
        "   0:41  Network ensemble, step 3 of 4: 8 candidates, 5 inner folds (may change the answer; about 20 s)\n",
        "   0:58  Network ensemble, step 3 of 4: ROC AUC 0.869 ± 0.021, 0.004 better than the step before, in",
        "in 17 s; so far network 71% · equal 22% · simple 7%\n",
        "   1:05  Boosted trees, step 4 of 4: cut short after 6 s; so far network 71% · equal 22% · simple 7%\n",
    ):
        assert text in result.stderr, text
        assert text not in result.stdout
    assert "\x1b" not in result.stderr


def test_quiet_shows_the_result_only(annvil, house):
    result = annvil("fit", "buyers.csv", "--quiet")
    assert result.stderr == ""
    assert "Verdict" in result.stdout


def test_json_is_all_there_is_on_standard_output(annvil, house):
    result = annvil("fit", "buyers.csv", "--json")
    assert json.loads(result.stdout) == {"name": "buyers-1", "verdict": {"kind": "equal"}}
    assert "Comparing" in result.stderr


def test_show_preparation(annvil, house):
    assert "Prepared  'city' became one column for each city." in annvil("fit", "b.csv", "--show-preparation").stdout


@pytest.fixture
def begun(house):
    """A run that was asked for."""
    from annvil.options import FitOptions
    from annvil.run.folder import RunFolder
    from annvil.run.request import FitRequest

    RunFolder(house.folder).write_request(FitRequest("buyers.csv", FitOptions(target="buys")))
    return house


def test_resume(annvil, begun):
    result = annvil("resume", begun.folder)
    assert result.exit_code == 0, result.output
    assert begun.calls == [("resume", begun.folder, {})]
    assert "Verdict" in result.stdout


def test_resume_with_more_time(annvil, begun):
    result = annvil("resume", begun.folder, "--budget", "10m")
    assert result.exit_code == 0, result.output
    assert begun.calls == [("resume", begun.folder, {"budget": 600.0})]


def test_resume_with_a_time_that_is_none(annvil, begun):
    result = annvil("resume", begun.folder, "--budget", "later")
    assert result.exit_code == 2
    assert "'later' is not a time" in result.stderr
    assert begun.calls == []


def test_resume_of_nothing(annvil):
    result = annvil("resume", "runs/none-1")
    assert result.exit_code == 2
    assert result.stderr.startswith("annvil: There is no run at runs/none-1.")


# How commands end


def test_an_error_of_the_user_is_one_sentence(annvil, house):
    house.error = DataError("Column 'age' has 3 values that are not numbers.")
    result = annvil("fit", "buyers.csv", "--quiet")
    assert result.exit_code == 2
    assert result.stderr == "annvil: Column 'age' has 3 values that are not numbers.\n"
    assert result.stdout == ""


def test_control_characters_in_a_message_do_not_reach_the_terminal(annvil, house):
    house.error = DataError("No column '\x1b[2J\u202egnp'.")
    assert "\x1b" not in annvil("fit", "buyers.csv", "--quiet").stderr
    assert "\u202e" not in annvil("fit", "buyers.csv", "--quiet").stderr


def test_a_budget_that_is_none_is_refused_before_anything_happens(annvil, house):
    result = annvil("fit", "buyers.csv", "--budget", "soon")
    assert result.exit_code == 2
    assert "'soon' is not a time" in result.stderr
    assert house.calls == []


def test_an_unknown_option_is_refused(annvil, house):
    assert annvil("fit", "buyers.csv", "--fast").exit_code == 2


def test_a_stopped_run_says_how_to_go_on(annvil, house):
    house.error = Interrupted("runs/my data-1")
    result = annvil("fit", "buyers.csv", "--quiet")
    assert result.exit_code == 130
    assert result.stderr == "annvil: Stopped. Go on with: annvil resume 'runs/my data-1'\n"


def test_a_stopped_race_says_what_it_would_answer(annvil, house):
    so_far = ("So far: No network needed.", "The best so far: Boosted trees, ROC AUC 0.871, step 2 of 4.")
    house.error = Interrupted("runs/buyers-1", so_far)
    result = annvil("fit", "buyers.csv", "--quiet")
    assert result.exit_code == 130
    lines = ["annvil: Stopped.", *so_far, "Go on with: annvil resume runs/buyers-1"]
    assert result.stderr == "\n".join(lines) + "\n"
    assert result.stdout == ""


def test_stopped_before_there_was_a_run(annvil, house):
    house.error = KeyboardInterrupt()
    result = annvil("fit", "buyers.csv", "--quiet")
    assert (result.exit_code, result.stderr) == (130, "annvil: Stopped.\n")


def test_a_file_of_ours_that_is_not_there_is_a_mistake_of_ours(annvil, house, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # for the details
    house.error = FileNotFoundError(2, "No such file or directory", "x")
    assert annvil("fit", "buyers.csv", "--quiet").exit_code == 70


def test_a_mistake_of_ours_is_owned_and_kept(annvil, house):
    house.error = ZeroDivisionError("division by zero")
    result = annvil("fit", "buyers.csv", "--quiet")
    assert result.exit_code == 70
    assert "A mistake of ours: ZeroDivisionError: division by zero." in result.stderr
    path = Path(result.stderr.partition("The details are in ")[2].partition(";")[0])
    details = path.read_text()
    path.unlink()
    assert "Traceback" in details
    assert "Traceback" not in result.stderr


def test_a_mistake_of_ours_is_raised_for_those_who_mend_it(annvil, house, monkeypatch):
    house.error = ZeroDivisionError("division by zero")
    monkeypatch.setenv("ANNVIL_DEBUG", "1")
    assert isinstance(annvil("fit", "buyers.csv", "--quiet").exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "/big"), "The system refused /big: No space left on device."),
        (PermissionError(13, "Permission denied"), "The system refused: Permission denied."),
        (MemoryError(), "There is not enough memory for this."),
        (ImportError("libtorch_cpu.so: failed to map segment"), "A library could not be loaded: libtorch_cpu.so: "),
    ],
)
def test_circumstances_are_no_mistakes_of_ours(annvil, house, error, told):
    house.error = error
    result = annvil("fit", "buyers.csv", "--quiet")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"annvil: {told}")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that Linux has")
@pytest.mark.parametrize(("where", "code"), [(">&-", 0), ("> /dev/full", 2)])
def test_output_that_goes_nowhere_ends_in_a_sentence(where, code):
    program = "from annvil.cli import main; main()"
    command = f'{sys.executable} -c "{program}" samples {where}'
    finished = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, check=False)
    assert finished.returncode == code, finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stderr.count("\n") == (code > 0)


@pytest.mark.usefixtures("whole_process")
def test_stopped_while_libraries_load(monkeypatch, capsys):
    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr("annvil.cli.run", stopped)
    with pytest.raises(SystemExit) as stop:
        annvil_command.main()
    assert (stop.value.code, capsys.readouterr().err) == (130, "annvil: Stopped.\n")


def test_without_docstrings_and_assertions_commands_run_too():
    command = [sys.executable, "-OO", "-c", "from annvil.cli import main; main()", "fit", "--help"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "--target" in finished.stdout


def test_a_reader_who_has_seen_enough_is_no_error():
    """`annvil … | head -1` ends quietly."""
    command = f"{sys.executable} -c 'from annvil.cli import main; main()' fit --help | head -1"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert finished.stderr == ""


def test_a_terminal_without_our_signs_is_no_error():
    command = [sys.executable, "-c", "from annvil.cli import main; main()", "samples"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    finished = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert finished.returncode == 0, finished.stderr
    assert b"8 ? 8 pixels" in finished.stdout


# runs, report, samples


def test_runs(annvil, house):
    result = annvil("runs", "--out", "here")
    assert house.calls == [("list_runs", Path("here"), {})]
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["Run", "Data", "Target", "Verdict", "Recommended", "When"]
    assert "buyers-2" in lines[2]
    assert "interrupted" in lines[2]
    assert "Trees 0.871" in lines[3]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_name_of_a_run_is_broken(annvil, house, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = annvil("runs").stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines[2:]] == ["buyers-2", "buyers-1"]
    assert ["2026-03-04" in line for line in lines[2:]] == [True, True]


def test_runs_for_machines(annvil, house):
    first, second = json.loads(annvil("runs", "--json").stdout)
    assert (first["name"], first["state"]) == ("buyers-2", "interrupted")
    assert second["when"] == "2026-03-04T05:06:00+00:00"


def test_no_runs_yet(annvil):
    result = annvil("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "There are no runs in runs." in result.stderr


def test_report_says_where_it_is(annvil, house, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    assert annvil("report", house.folder, "--no-open").stdout == f"{house.folder}/report.html\n"
    assert opened == []
    annvil("report", house.folder)
    assert opened == [(house.folder / "report.html").as_uri()]


def test_report_without_a_screen_opens_nothing(annvil, house, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail("opened"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert annvil("report", house.folder).exit_code == 0


def test_samples(annvil):
    lines = annvil("samples").stdout.splitlines()
    assert any(re.match(r"sample:breast-cancer +569 tumours", line) for line in lines)
    assert set(json.loads(annvil("samples", "--json").stdout)) == {line.split()[0] for line in lines}


# Arguments


def test_names():
    assert split_names([]) == ()
    assert split_names(["a,b", " c ", 'd, "e,f"', "a"]) == ("a", "b", "c", "d", "e,f")


@pytest.mark.parametrize("pair", ["zip", "=number", ""])
def test_a_kind_without_a_column_is_refused(pair):
    with pytest.raises(RequestError, match="COLUMN=KIND"):
        split_kinds([pair])


def test_the_help_names_every_metric(annvil):
    from annvil.tasks.metric_index import METRICS

    shown = annvil("fit", "--help").stdout
    for name in METRICS:
        assert name in shown
