"""Run folders: fresh names, kept requests and states, refusals that say what to do."""

import os
import re

import pytest

from annvil.errors import DataError, MachineError, RequestError
from annvil.options import FitOptions
from annvil.run.folder import Clock, RunFolder, RunState, existing_folder, new_folder
from annvil.run.request import FitRequest
from annvil.run.result import list_runs


def test_numbers_go_up_and_never_reuse_a_folder(tmp_path):
    assert new_folder(tmp_path, "titanic").path.name == "titanic-1"
    assert new_folder(tmp_path, "titanic").path.name == "titanic-2"
    (tmp_path / "titanic-7").mkdir()
    assert new_folder(tmp_path, "titanic").path.name == "titanic-8"
    assert new_folder(tmp_path, "tit").path.name == "tit-1"


@pytest.mark.parametrize("stem", ["../../etc", "a b/c", "", "...", "日本"])
def test_a_name_never_leaves_the_folder(tmp_path, stem):
    path = new_folder(tmp_path, stem).path
    assert path.parent == tmp_path
    assert path.is_dir()


def test_request_and_state_come_back_as_they_were(tmp_path):
    folder = new_folder(tmp_path, "x")
    request = FitRequest(
        "x.csv", FitOptions(target="y", kinds={"a": "category"}, columns=("a", "b")), {"size": [8, 8]}, "pictures"
    )
    folder.write_request(request)
    assert folder.read_request() == request
    clock = Clock(folder, spent_before=10.0)
    clock.data_sha256 = "abc"
    clock.mark("interrupted", "Comparing")
    state = folder.read_state()
    assert (state.state, state.stage, state.data_sha256) == ("interrupted", "Comparing", "abc")
    assert 10.0 <= state.spent_seconds < 11.0


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path):
    (tmp_path / "titanic-1").mkdir()
    with pytest.raises(RequestError, match=r"titanic-1 is not the folder of a run"):
        existing_folder(tmp_path / "titanic-1").read_request()
    with pytest.raises(RequestError, match=r"no run at .*titanik-1.*Did you mean .*titanic-1"):
        existing_folder(tmp_path / "titanik-1")


@pytest.mark.skipif(os.name != "posix", reason="a plain file in the way is reported differently elsewhere")
def test_an_unusable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="Cannot make a run folder in"):
        new_folder(tmp_path / "file", "x")
    with pytest.raises(MachineError, match="Cannot write"):
        RunFolder(tmp_path / "file").write_request(FitRequest(data=None))


@pytest.mark.skipif(os.name != "posix", reason="no such locks elsewhere")
def test_two_processes_do_not_work_on_one_run(tmp_path):
    folder = new_folder(tmp_path, "x")
    with folder.locked(), pytest.raises(RequestError, match="Another process is working on"), folder.locked():
        pass
    with folder.locked():
        pass


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("state.json", RunFolder.read_state),
        ("request.json", RunFolder.read_request),
        ("comparison.json", RunFolder.read_comparison),
    ],
)
@pytest.mark.parametrize("content", ["{", '{"target": 5, "state": 5}', "[]"])
def test_a_damaged_file_is_named(tmp_path, name, read, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=re.escape(f"{name} is damaged")):
        read(RunFolder(tmp_path))


def test_a_folder_has_no_name_before_it_is_filled(tmp_path):
    def fail(folder: RunFolder) -> None:
        assert not list(tmp_path.glob("x-*"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_folder(tmp_path, "x", fail)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writes_left_is_swept_when_work_goes_on(tmp_path):
    folder = new_folder(tmp_path, "x")
    (folder.race / "linear").mkdir(parents=True)
    litter = [folder.path / ".state.json.0a1b.part", folder.race / "linear" / ".cost.json.ff.part"]
    for path in litter:
        path.write_text("half")
    (folder.path / ".model.0a1b.part").mkdir()
    (folder.path / ".model.0a1b.old").mkdir()
    (folder.path / ".model.0a1b.old" / "manifest.json").write_text("{}")
    with folder.locked():
        assert not any(path.exists() for path in litter)
        assert [path.name for path in folder.path.glob(".model*")] == []
        assert (folder.model / "manifest.json").exists()  # the new one never came, so the older one is back


def test_an_older_model_goes_when_the_new_one_is_there(tmp_path):
    folder = new_folder(tmp_path, "x")
    folder.model.mkdir()
    (folder.path / ".model.0a1b.old").mkdir()
    with folder.locked():
        assert not (folder.path / ".model.0a1b.old").exists()
        assert folder.model.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    folder = new_folder(tmp_path, "x")
    folder.path.chmod(0o500)
    with pytest.raises(MachineError, match="Cannot work on"), folder.locked():
        pass


@pytest.mark.parametrize("started", [1e300, -1e300, 9e18])
def test_an_odd_moment_hides_no_run(tmp_path, started):
    folder = new_folder(tmp_path, "x")
    folder.write_request(FitRequest("x.csv", FitOptions(target="y"), {}, "tables"))
    folder.write_state(RunState("interrupted", "Comparing", 1.0, started))
    (summary,) = list_runs(tmp_path)
    assert summary.when.year > 2020
