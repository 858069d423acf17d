"""What a report is mailed with: no names of persons, no addresses, no path of somebody's machine.

Tables are made with values that nobody has, in every role that a column can have without being an input; the two
cheapest contenders race, and the report, the files of the run, the bundle and what the commands print are searched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from typer.testing import CliRunner

from annvil.cli.app import app
from annvil.kinds.tables import contenders as of_tables
from annvil.options import FitOptions
from annvil.run.request import FitRequest

SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "so", "ta", "vi")
LOGIN, N = "zamfirescu", 90


def person(k: int) -> str:
    """A name that nobody has."""
    return "".join(SYLLABLES[k // 8**place % 8] for place in range(4)).title()


VALUES: dict[str, Callable[[int], str]] = {
    "names": lambda k: f"Ms. {person(k)} {person(k + 700)}",
    "addresses": lambda k: f"{person(k).lower()}@example.org",
    "telephone numbers": lambda k: f"+49 30 {7_654_321 + 37 * k}",
    "numbers of persons": lambda k: f"{54_000_017 + 7_919 * k}",
    "codes of persons": lambda k: f"QX-{54_017 + 791 * k}",
    "texts": lambda k: f"{person(k)} came on a Monday; her sister {person(k + 300)} called {'again ' * (k % 5)}",
    "paths": lambda k: f"/home/{LOGIN}/cases/{person(k)}.pdf",
    "file names": lambda k: f"{person(k)}_scan.png",
    "addresses of machines": lambda k: f"https://{LOGIN}.example.org/{person(k)}",
}
ROLES = ("each its own", "half are missing", "dropped", "group", "always the same", "named twice", "said to be missing")


def column(kind: str, role: str) -> list[str]:
    """The values of a column of personal data that is no input, so none of them may be told."""
    value = VALUES[kind]
    if role == "group":
        return [value(k // 3) for k in range(N)]
    if role == "always the same":
        return [value(5)] * N
    if role in ("half are missing", "said to be missing"):
        return ["" if k % 2 else value(k) for k in range(N)]
    return [value(k) for k in range(N)]


def secrets(columns: dict[str, list[str]]) -> set[str]:
    """Values, and the names in them."""
    whole = {value for values in columns.values() for value in values if value}
    return whole | {person(k) for k in range(1_000) if any(person(k) in value for value in whole)}


def annvil(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout + done.stderr


def told(folder: Path, printed: str) -> dict[str, str]:
    """Everything that may leave the machine: what was written and what was printed, by where it stands."""
    kept = {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file()
    }
    request = json.loads(kept.pop("request.json"))  # where the data lie is what going on needs; it stays on the machine
    places = {"data", "out", "groups", "like", "init"}
    return kept | {
        "printed": printed,
        "request.json": json.dumps({k: v for k, v in request.items() if k not in places}),
    }


def in_roles(columns: dict[str, tuple[str, str]]) -> tuple[dict[str, list[str]], list[str]]:
    """The columns of the file, and the options that give them their roles."""
    made = {name: column(*one) for name, one in columns.items()}
    words: list[str] = []
    for name, (_, role) in columns.items():
        words += {"dropped": ["--drop", name], "group": ["--groups", name]}.get(role, [])
        if role == "named twice":
            made[f"{name}, again"] = made[name]
        if role == "said to be missing":
            made[name] = [value or "unknown" for value in made[name]]
            words += ["--missing", "unknown"]
    return made, words


WHERE = {
    "from elsewhere": ("/", "{home}/study/people.tsv", "{home}/results"),
    "from the folder above the home": ("{home}/..", "{home}/study/people.tsv", "{home}"),
    "from the home": ("{home}", "study/people.tsv", "runs"),
    "from beside": ("{home}/other", "../study/people.tsv", "../runs"),
    "up and down again": ("{home}/study", "../../{login}/study/people.tsv", "../../{login}/study/runs"),
}


def leaks(
    home: Path, columns: dict[str, tuple[str, str]], where: str, names: tuple[str, ...], *, as_json: bool
) -> dict:
    """Where something personal is told after a fit of the contenders ``names``, and what; ``home`` is a new folder."""
    (home / "study").mkdir(parents=True)
    (home / "other").mkdir()
    personal, words = in_roles(columns)
    a, b = [(k * 7) % 13 for k in range(N)], [(k * k) % 11 for k in range(N)]
    made = {"a": a, "b": b, "y": [int(x > y) for x, y in zip(a, b, strict=True)], **personal}
    rows = [map(str, row) for row in zip(*made.values(), strict=True)]
    (home / "study" / "people.tsv").write_text("".join("\t".join(row) + "\n" for row in (made, *rows)))
    cwd, data, out = (one.format(home=home, login=home.name) for one in WHERE[where])
    everybody = of_tables.contenders_for_tables()
    with pytest.MonkeyPatch.context() as patched:
        chosen = [one for one in everybody if one.name in names]
        patched.setattr(of_tables, "contenders_for_tables", lambda *_, **__: chosen)
        patched.setenv("HOME", str(home))
        patched.setenv("LOGNAME", home.name)
        patched.chdir(cwd)
        printed = annvil("fit", data, "-t", "y", "-b", "60s", "--out", out, *words, *(["--json"] if as_json else []))
        folder = Path(out).absolute() / "people-1"
        annvil("report", str(folder), "--no-open")
    found = told(folder, "" if as_json else printed.replace(out, ""))
    assert "people.tsv" in found["report.html"]
    secret = secrets({name: column(*one) for name, one in columns.items() if one not in INPUTS}) | {home.name}
    return {place: some for place, text in found.items() if (some := sorted(one for one in secret if one in text))}


INPUTS = {("numbers of persons", role) for role in ROLES if role not in ("dropped", "group", "always the same")}
"""Numbers are inputs unless somebody says that they are none: a model keeps what it needs of them."""

PERSONAL = st.tuples(st.sampled_from(list(VALUES)), st.sampled_from([role for role in ROLES if role != "group"]))


@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],  # each is a fit: to look for a smaller one takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    columns=st.dictionaries(st.sampled_from(["one", "two", "three"]), PERSONAL, min_size=1),
    group=st.sampled_from([None, *VALUES]),
    where=st.sampled_from(list(WHERE)),
    as_json=st.booleans(),
)
def test_what_is_left_out_is_told_nowhere(tmp_path_factory, columns, group, where, as_json):
    columns = columns | ({"case": (group, "group")} if group else {})
    home = tmp_path_factory.mktemp("home") / LOGIN
    assert leaks(home, columns, where, ("dummy",), as_json=as_json) == {}


def test_nor_by_a_model_that_learns(tmp_path):
    columns = {
        f"{kind} {role}": (kind, role)
        for place, kind in enumerate(VALUES)
        for role in (ROLES[place % 3], ROLES[4 + place % 3])
    }
    home = tmp_path / LOGIN
    assert leaks(home, columns, "from beside", ("dummy", "linear"), as_json=False) == {}
    report = (home / "runs" / "people-1" / "report.html").read_text()
    assert "addresses half are missing" in report  # which rows have one is an input


def test_a_report_tells_no_path_of_another_file(tmp_path):
    """Groups, the run that is followed, where a network came from: all by their ends."""
    for name in ("groups.csv", "run", "start"):
        (tmp_path / name).mkdir()
    given = {"start": str(tmp_path / "start"), "backbone": str(tmp_path / "start")}
    asked = FitOptions(groups=str(tmp_path / "groups.csv"), like=str(tmp_path / "run"), out=str(tmp_path))
    command = FitRequest(str(tmp_path / "photos"), asked, given, "pictures").elsewhere().command()
    assert str(tmp_path.parent) not in command
    assert command.startswith("annvil fit photos")
    assert [
        word for word in ("groups.csv", "--like run", "--from start", "--backbone start") if word not in command
    ] == []


def test_names_of_series_are_told_nowhere(tmp_path):
    """Recordings of persons, in groups, with remarks: the report and the model go without the names."""
    from annvil.kinds.series.contenders import registry

    home = tmp_path / LOGIN
    home.mkdir()
    rows = [
        (
            person(k),
            f"{person(k // 2)}@example.org",
            step,
            (k % 2) * step + (7 * k * k + 3 * step * (k + 2)) % 101 / 9,
            "rises" if k % 2 else "stays",
        )
        for k in range(40)
        for step in range(12 + k % 3)
    ]
    lines = ["\t".join(map(str, row)) for row in (("patient", "family", "t", "x", "course"), *rows)]
    (home / "people.tsv").write_text("\n".join(lines))
    out = home / "runs"
    with pytest.MonkeyPatch.context() as patched:
        chosen = [one for one in registry.contenders_for_series() if one.name in ("dummy", "summary-linear")]
        patched.setattr(registry, "contenders_for_series", lambda: chosen)
        patched.chdir(home)
        words = ("--series", "patient", "--time", "t", "--groups", "family", "-b", "60s", "--out", str(out))
        printed = annvil("fit", str(home / "people.tsv"), "-t", "course", *words)
        annvil("report", str(out / "people-1"), "--no-open")
    found = told(out / "people-1", printed.replace(str(out), ""))
    secret = {person(k) for k in range(40)} | {LOGIN, "@example.org"}
    assert {
        place: some for place, text in found.items() if (some := sorted(one for one in secret if one in text))
    } == {}
