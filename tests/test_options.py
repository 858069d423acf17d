"""One declaration of each option: what is typed, given, kept, repeated and documented is the same."""

import importlib.util
import inspect
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from typer.main import get_command

import annvil
from annvil.cli.app import app
from annvil.cli.arguments import as_python
from annvil.data.plugins import kind_named
from annvil.errors import RequestError
from annvil.kinds.pictures.options import PictureOptions
from annvil.kinds.registry import fit_options, options_for, options_of_kinds
from annvil.options import FitOptions, chosen, cleaned, declared
from annvil.run.request import FitRequest, decode_request
from annvil.text.safe import composed

ROOT = Path(__file__).parents[1]
FIT = get_command(app).commands["fit"]  # making it takes longer than everything else of an example

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).map(composed)
NAME = WORD.filter(str.strip)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "target": NAME | st.lists(NAME, min_size=2, max_size=3, unique=True).map(tuple),
        "groups": NAME.filter(lambda text: not Path(text).is_file()),
        "time": NAME,
        "task": st.sampled_from(["binary", "regression"]),
        "columns": st.lists(WORD, min_size=1, max_size=4, unique=True).map(tuple),
        "drop": st.lists(WORD, min_size=1, max_size=4, unique=True).map(tuple),
        "kinds": st.dictionaries(NAME, st.sampled_from(["number", "category"]), min_size=1, max_size=3),
        "missing": st.lists(WORD.map(str.strip).filter(bool), min_size=1, max_size=3).map(tuple),
        "drop_missing_target": st.just(True),
        "budget": st.floats(5, 604_800),
        "metric": st.sampled_from(["roc_auc", "r2"]),
        "worth": st.floats(1e-6, 1e6),
        "seed": st.integers(0, 2**32 - 1),
    },
)
OWN = st.fixed_dictionaries(
    {},
    optional={
        "size": st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
        "start": NAME.map(lambda name: str(Path(f"/nets/{name}"))),  # paths are kept without needless slashes
        "backbone": NAME.map(lambda name: f"/hub/{name}"),
    },
)


@settings(deadline=None)
@given(asked=ASKED, own=OWN)
def test_the_printed_command_gives_back_every_option(asked, own):
    request = FitRequest("/data/my file.csv", FitOptions(**asked), own, "pictures")
    name, verb, *words = shlex.split(request.command())
    assert (name, verb) == ("annvil", "fit")
    parsed = FIT.make_context("fit", words).params
    typed = as_python(fit_options(), parsed)
    generic = {one.name for one in declared(FitOptions)}
    again = cleaned(FitOptions, {name: value for name, value in typed.items() if name in generic}, "fit()")
    assert parsed["data"] == "/data/my file.csv"
    assert again == request.asked
    rest = {name: value for name, value in typed.items() if name not in generic}
    assert chosen(cleaned(PictureOptions, rest, "fit()")) == own


@settings(deadline=None)
@given(asked=ASKED, own=OWN)
def test_what_is_kept_is_read_back(asked, own):
    request = FitRequest("x.csv", FitOptions(**asked), own, "pictures", "ab")
    again = decode_request(request.encoded())
    assert (again.asked, again.data, again.kind, again.start_digest) == (request.asked, "x.csv", "pictures", "ab")
    assert chosen(options_for(kind_named("pictures"), again.given, "x.csv")) == own


def test_python_has_the_options_by_name():
    names = [one.name for one in fit_options()]
    shown = inspect.signature(annvil.fit).parameters
    assert list(shown) == ["data", "listener", "started", *names]
    assert all(f"    {one.name} : {one.option.help}" in annvil.fit.__doc__ for one in fit_options())
    assert {"target", "size", "progress"} <= set(inspect.signature(annvil.read).parameters)


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(TypeError, match=r"unexpected argument 'targt'\. Did you mean 'target'"):
        annvil.fit("sample:iris", targt="y")
    with pytest.raises(TypeError, match=r"read\(\) got an unexpected argument 'budget'"):
        annvil.read("sample:iris", budget="2m")


def test_an_option_of_another_kind_is_refused_where_results_depend_on_it():
    assert "size" in options_of_kinds()
    with pytest.raises(RequestError, match=r"size \(--size\) is for pictures, and iris is a table; leave it out"):
        options_for(kind_named("tables"), {"size": 8}, "iris")
    options_for(kind_named("tables"), {"workers": 2, "size": None}, "iris")


def test_the_page_of_options_is_what_is_declared():
    """`python scripts/options_page.py` writes it again."""
    spec = importlib.util.spec_from_file_location("options_page", ROOT / "scripts" / "options_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page()
