"""Every Python block of the README and the documentation runs, in order, as one program per page."""

import re
from pathlib import Path

import pytest
from tests.budgets import fit_briefly

import annvil
from annvil.options import budget_in_seconds

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def fit_that_long_at_most(data, *, budget="2m", **options):
    """`annvil.fit`; what a page does with a run must go well with the shortest, too."""
    assert budget_in_seconds(budget) >= 5
    return fit_briefly(data, **options)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own predict
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(annvil, "fit", fit_that_long_at_most)
    program = "\n".join(blocks(page))
    exec(compile(program, str(page), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def commands():
    from typer.main import get_command

    from annvil.cli.app import app

    return get_command(app).commands


def shown_in(page):
    return re.findall(r"^\$ annvil (\w+)([^#\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readme_shows_every_command():
    assert {name for name, _ in shown_in(ROOT / "README.md")} == set(commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_have_options_that_exist(page):
    for name, rest in shown_in(page):
        known = {option for parameter in commands()[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z-]+", rest)) <= known, name
