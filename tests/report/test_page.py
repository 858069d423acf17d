"""The page as a whole: its parts and their order, that it needs nothing else, and that no text becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from annvil.data.plugins import kind_named
from annvil.report import render, usage_snippets
from annvil.report.column_importance import importance_figure, no_importance
from annvil.report.figures import effort_figure
from annvil.report.glossary import TERMS, Glossary
from annvil.report.page import judged_step
from annvil.tasks.union import make_task
from annvil.text.quantities import seconds
from annvil.text.safe import clean
from annvil.text.words import Words

from .hostile import HOSTILE, PWN
from .views import VIEWS, bare, binary, multiclass, regression

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; checks that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"])
        if "href" in values:
            self.links.append(values["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(make()) for name, make in VIEWS.items()}


def test_sections_come_in_order(pages):
    found = re.findall(r'<(?:section|header)[^>]* id="([a-z]+)"', pages["binary"])
    assert found == [
        "verdict", "evidence", "cost", "price", "rows", "data", "preparation", "errors", "importance", "training",
        "use", "tried", "repeat", "terms",
    ]  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_pages_are_whole_and_need_nothing_else(pages, name):
    page = Page(pages[name])
    assert not page.tags.keys() & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not page.attributes & {"src", "srcset", "style", "action"}
    assert not [attribute for attribute in page.attributes if attribute.startswith("on")]
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert "http://" not in pages[name]
    assert "https://" not in pages[name]
    assert "url(" not in pages[name]
    assert "@import" not in pages[name]


def test_the_policy_allows_the_page_its_own_style_and_nothing_else(pages):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', pages["binary"])
    style = re.search(r"<style>(.*?)</style>", pages["binary"], re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_verdict_and_numbers_are_said(pages):
    text = Page(pages["binary"]).text
    for said in (
        "Network ensemble vs boosted trees: ROC AUC 0.875 vs 0.873",
        "0.873 ± 0.009",
        "Leakage: boat",
        "annvil predict runs/titanic-1 new.csv -o predictions.csv",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "671 of 891 held-out rows",
        "torch 2.13.0",
    ):
        assert said in text


def test_what_understanding_costs_is_said_and_drawn(pages):
    page = pages["binary"]
    section = Page(page[page.index('<section id="price"') : page.index('<section id="rows"')]).text
    for said in (
        "What understanding costs",
        "Being able to read the model costs 0.021 in ROC AUC",
        "size 10 kB against 312 kB",
        "explainable better",
        "other side",
        "Logistic regression",
        "Boosted trees",
    ):
        assert said in section
    assert "Logistic regression: costs 0.02" in Page(page).text
    assert 'id="price"' not in pages["bare"]


def test_how_the_race_went_is_said(pages):
    text = Page(pages["binary"]).text
    used = sum(standing.used_seconds for standing in binary().comparison.standings if standing.family != "dummy")
    assert f"Networks and simple models completed 10 steps of effort in {seconds(used)}." in text
    assert "The race ended because the time was used." in text
    assert "What more effort brought" in text
    assert "More effort may still improve: Network ensemble and Dense network." in text
    assert 'id="term-step-of-effort"' in pages["binary"]
    assert "The race ended" not in Page(pages["regression"]).text  # of runs that did not keep why


def test_every_ladder_is_shown_with_what_each_step_brought(pages):
    (tried,) = re.findall(r'<section id="tried">(.*?)</section>', pages["binary"], re.DOTALL)
    details = dict(re.findall(r"<summary>([^<]*)<span.*?>(.*?)</details>", tried, re.DOTALL))
    assert list(details) == [s.title for s in binary().comparison.standings]
    trees = details["Boosted trees"]
    assert trees.startswith("step 2 of 3</span>")
    assert details["Network ensemble"].startswith("step 2 of 3, still improves</span>")
    steps = re.findall(r'<tr[^>]*><th scope="row">(\d · [^<]*)(.*?)</tr>', trees)
    assert [what for what, _ in steps] == [
        "1 · 1 candidate, one holdout", "2 · 3 candidates, 5 inner folds", "3 · 5 candidates, 5 inner folds",
    ]  # fmt: skip
    assert [re.findall(r">([^<>]+)<", row) for _, row in steps] == [
        ["0.863", "17 s"], ["judged", "0.873", "1 min 25 s"], ["not reached", "–", "–"],
    ]  # fmt: skip
    assert "Step of effort" not in details["Baseline"]  # it has nothing to climb


def test_the_table_of_costs_names_the_judged_step(pages):
    (costs,) = re.findall(r'<section id="cost">(.*?)</section>', pages["binary"], re.DOTALL)
    assert "network, step 2 of 3, still improves" in costs
    assert "simple, step 2 of 3<" in costs
    assert "no learning<" in costs


def test_of_single_steps_there_is_no_chart():
    comparison = binary().comparison
    first = tuple(
        replace(s, rung=0, rung_means=s.rung_means[:1], rung_seconds=s.rung_seconds[:1]) for s in comparison.standings
    )
    assert effort_figure(replace(comparison, standings=first)) is None
    (network,) = (s for s in first if s.contender == "dense-network")
    assert judged_step(network) == "step 1 of 3, may improve"  # that it does shows from two steps


def test_missing_parts_are_left_out_and_said(pages):
    text = Page(pages["bare"]).text
    assert "Only one side has results" in text
    assert "What the model relies on" not in text
    assert 'href="#importance"' not in pages["bare"]


def test_declined_and_cut_short_contenders_keep_their_reasons(pages):
    text = Page(pages["multiclass"]).text
    assert "40 columns are too many for distances to mean something." in text
    assert "The budget ended in fold 4; the folds before it count." in text


def test_many_classes_become_a_list_of_confusions():
    rng = np.random.default_rng(0)
    classes = tuple(f"species {i}" for i in range(40))
    outputs = rng.dirichlet(np.ones(40), size=400)
    view = multiclass()
    task = view.task.replace(classes=classes)
    y = rng.integers(40, size=400)
    text = Page(render(replace(view, task=task, held_out=replace(view.held_out, y=y, outputs=outputs)))).text
    assert "The most frequent confusions" in text


def test_several_labels_become_a_table_of_labels():
    rng = np.random.default_rng(0)
    view = multiclass()
    task = make_task("multilabel", "tags", ("cat", "dog", "<sea>"))
    outputs = rng.random((200, 3))
    y = (rng.random((200, 3)) < outputs * [1, 1, 0]).astype(np.int64)
    y[:7] = outputs[:7] >= (0.5, 0.3, 0.9)
    held_out = replace(view.held_out, y=y, outputs=outputs, threshold=(0.5, 0.3, 0.9))
    text = Page(render(replace(view, task=task, held_out=held_out))).text
    said = outputs >= (0.5, 0.3, 0.9)
    assert f"All labels are right for {(said == y).all(axis=1).sum()} of 200 rows" in text
    right = (said & (y == 1)).sum(axis=0)
    assert (
        f"dog {y[:, 1].sum()} {right[1] / y[:, 1].sum():.0%} {said[:, 1].sum()} {right[1] / said[:, 1].sum():.0%}"
        in text
    )
    assert "Calibration: can the probabilities be trusted?" in text
    assert "confusion" not in text.lower()


def test_of_pictures_the_page_speaks_as_pictures():
    view = multiclass()
    note = replace(view.columns[0], name="image", kind="image", used=True)
    bare_comparison = replace(view.comparison, plan=replace(view.comparison.plan, sentences=()), curves=(), notices=())
    bare_comparison = replace(
        bare_comparison, verdict=replace(bare_comparison.verdict, headline="", sentences=(), base_rate="")
    )
    words = Words("picture", "pictures", "pictures", "from pixels", "pixels black")
    told = replace(view, words=words, columns=(note,), comparison=bare_comparison, findings=(), importance=(), usage=())
    held_out = replace(view.held_out, how="every picture was predicted by a model of a fold that had not seen it")
    page = Page(render(replace(told, held_out=held_out)))
    for sentence in (
        "One picture",
        "held-out pictures",
        "on the same pictures",
        "training pictures",
    ):
        assert sentence in page.text, sentence
    assert not re.search(r"\b[Rr]ows?\b", page.text)


def test_of_8_bits_the_page_says_what_was_checked_and_when():
    view, said = multiclass(), "Its convolutions compute in 8 bits: 1.6 times as fast."
    text = Page(render(replace(view, shipped=replace(view.shipped, in_eight_bits=True, eight_bits=said)))).text
    assert said in text
    assert "Checked before the step to 8 bits: on 600 rows" in text
    assert "Checked before saving: on 600 rows" in Page(render(view)).text


@pytest.mark.parametrize("n_rows", [170, 600])
def test_how_much_the_saved_model_learnt_from_is_said_once_and_truly(n_rows):
    """The budget may end before the fit on all rows: then the first fold's model ships."""
    view = multiclass()
    text = Page(render(replace(view, n_rows=600, shipped=replace(view.shipped, n_rows=n_rows)))).text
    assert f"parameters, learnt from {'all 600 rows' if n_rows == 600 else '170 of 600 rows'}" in text
    assert ("from all " in text) == (n_rows == 600)


def test_one_row_held_out_and_one_class_seen():
    view = binary()
    for n in (1, 3):
        held_out = replace(view.held_out, y=np.zeros(n, dtype=np.int64), outputs=view.held_out.outputs[:n])
        Page(render(replace(view, held_out=held_out)))


def test_repeats_exactly():
    assert render(regression()) == render(regression())


def test_numbers_equal_those_of_the_records(pages):
    view = binary()
    decided = (view.held_out.outputs[:, 1] >= 0.5).astype(int)
    right = int((decided == view.held_out.y).sum())
    assert f"{right} of 891 held-out rows" in pages["binary"]
    for standing in view.comparison.standings:
        assert f"{standing.means['roc_auc']:.3f} ± {standing.spreads['roc_auc']:.3f}" in pages["binary"]


def poisoned(value, text: str, name: str = ""):
    """The record with ``text`` added to every string that is not a key of ours."""
    ours = {"family", "state", "metric", "contender", "contenders", "recommended", "job", "language"}
    if name in ours or (
        name == "kind"
        and value in {"binary", "multiclass", "regression", "equal", "network", "simple", "no network", "cannot tell"}
    ):
        return value
    if isinstance(value, str):
        return value + text
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: poisoned(getattr(value, f.name), text, f.name) for f in fields(value) if f.init}
        )
    if isinstance(value, tuple | list):
        return type(value)(poisoned(one, text, name) for one in value)
    if isinstance(value, dict):
        return {key: poisoned(one, text) if isinstance(one, str) else one for key, one in value.items()}
    return value


@pytest.mark.parametrize("number", range(0, len(HOSTILE), 5))
def test_hostile_texts_stay_text(pages, number):
    """Five at once, of which none may hide the others."""
    texts = HOSTILE[number : number + 5]
    for name in ("binary", "multiclass"):
        html = render(poisoned(VIEWS[name](), "".join(texts)))
        html.encode("utf-8")
        page, usual = Page(html), Page(pages[name])
        assert page.tags.keys() <= usual.tags.keys()
        assert page.attributes <= usual.attributes
        assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
        assert page.tags["section"] == usual.tags["section"]
        assert re.search(r"[\x00\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html) is None
        assert all(re.sub(r"\s+", " ", clean(text)).strip() in page.text for text in texts)


def test_there_are_fifty_hostile_texts():
    assert len(set(HOSTILE)) == 50


@pytest.mark.slow
def test_a_browser_runs_nothing_of_them(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    html = render(poisoned(multiclass(), " ".join(HOSTILE)))
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

    def ran(content: str) -> bool:
        path = tmp_path / "page.html"
        path.write_text(content, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        options += ["--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        done = subprocess.run(
            [browser, *options, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        assert "Reproducibility" in done.stdout
        return 'data-pwned="1"' in done.stdout

    unguarded = policy.sub("", html)
    assert not ran(unguarded)  # escaping alone holds
    planted = f"<img src=x onerror={PWN}></main>"
    assert ran(unguarded.replace("</main>", planted))  # and the test can see a script run
    assert not ran(html.replace("</main>", planted))  # the policy alone holds too


class TestGlossary:
    def test_links_each_term_once_and_escapes_the_rest(self):
        glossary = Glossary()
        linked = glossary.link("The <b>fold</b> and the folds of a network.")
        assert linked.count('href="#term-fold"') == 1
        assert "&lt;b&gt;" in linked
        assert "term-network" in linked
        assert "term-fold" not in glossary.link("another fold")

    def test_words_inside_other_words_are_left_alone(self):
        assert "<a" not in Glossary().link("networked scaffolds, a manifold, F1-like &amp; worth a look")

    def test_every_term_used_is_explained(self):
        glossary = Glossary()
        glossary.link("ROC AUC and R² and leakage")
        assert [name for _, name, _ in glossary.entries()] == ["leakage", "ROC AUC", "R²"]
        assert all(meaning.endswith(".") for meaning in TERMS.values())


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    long = colour.lstrip("#") if len(colour) == 7 else "".join(2 * c for c in colour.lstrip("#"))
    parts = [int(long[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", range(3), ids=["light", "dark", "print"])
def test_text_is_readable_in_every_theme(pages, theme):
    blocks = re.findall(r":root \{(.*?)\}", pages["binary"], re.DOTALL)
    colours = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6});", block)) for block in blocks]
    colour = colours[0] | colours[theme]  # paper is light, whatever the screen: what is dark is for that alone
    assert "@media screen and (prefers-color-scheme: dark)" in pages["binary"]
    for ink in ("ink", "ink-2", "ink-3", "network", "simple", "equal", "serious", "warn"):
        for paper in ("paper", "raised") if ink.startswith("ink") or ink == "serious" else ("paper",):
            assert contrast(colour[ink], colour[paper]) >= 4.5, (ink, paper)
    for side in ("hit", "miss"):
        for level in range(1, 6):
            text = colour["on-dark" if level >= 4 else "on-light"]
            assert contrast(text, colour[f"{side}-{level}"]) >= 4.5, (side, level)


def test_usage_quotes_paths():
    shell, python = usage_snippets("runs/my wine-1", "runs/my wine-1/model", make_task("binary", "y", (0, 1)))
    assert shell.code == "annvil predict 'runs/my wine-1' new.csv -o predictions.csv"
    assert "annvil.load('runs/my wine-1/model')" in python.code
    assert "predict_proba" in python.code
    shell, python = usage_snippets("r", "m", make_task("binary", "y", (0, 1)), kind_named("pictures").words)
    assert shell.code == "annvil predict r new-pictures -o predictions.csv"
    assert "new.csv" not in python.code
    assert "predict_proba" not in usage_snippets("r", "m", make_task("regression", "y"))[1].code


def test_importing_the_report_loads_no_training_library():
    heavy = "[m for m in ('torch', 'sklearn', 'onnx') if m in sys.modules]"
    code = f"import sys, annvil.report; annvil.report.render; print({heavy})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_bare_run_is_short():
    assert len(render(bare())) < 60_000


@pytest.mark.parametrize("n_measured", [0, 1, 3, 8])
@pytest.mark.parametrize("zero", [False, True])
def test_importances_say_what_was_not_measured_and_zeros_are_no_chart(n_measured, zero):
    view = binary()
    n_used = sum(note.used for note in view.columns)
    measured = tuple(
        replace(one, **dict.fromkeys(("mean", "low", "high"), 0.0) if zero else {}) for one in view.importance
    )
    view = replace(view, importance=measured[:n_measured])
    drawn, said = importance_figure(view), no_importance(view)
    assert (drawn is not None, bool(said)) == (n_measured > 0 and not zero, n_measured > 0 and zero)
    text = Page(render(view)).text
    assert ("Nothing is known of the others" in text) == (0 < n_measured < n_used)
    assert ('href="#importance"' in render(view)) == (n_measured > 0)
    assert "e-1" not in (drawn.wide if drawn else "")


def test_the_contents_lead_to_sections_of_that_name(pages):
    for page in pages.values():
        for anchor, label in re.findall(r'<li><a href="#([\w-]+)">([^<]+)</a>', page):
            assert f'id="{anchor}"' in page
            heading = re.search(rf'id="{anchor}">\s*<h2>([^<]+)', page)
            words = label.lower().split()
            assert heading is None or any(word in heading[1].lower() for word in words), (label, heading[1])
