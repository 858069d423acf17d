"""What is seen first: few words, each of them true of the table, in the same order on the page and in the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from annvil.cli.result import show_run
from annvil.comparison.evidence import Evidence
from annvil.comparison.price import price_of
from annvil.comparison.results import Comparison, competing, only_explainable
from annvil.comparison.score_interval import score_interval
from annvil.comparison.verdict import judge
from annvil.data.findings import Finding
from annvil.models.contract import FAMILIES
from annvil.report import render
from annvil.report.figures import score_text
from annvil.report.first_screen import BADGES, MOST_FLAGS, MOST_LEADERS, OUT_OF_TIME, TO_READ, first_screen
from annvil.tasks.metric_index import METRICS
from annvil.text.words import ROWS

from .views import CONTENDERS, bare, binary, fold_results, standings

MOST_WORDS = 60
FINDINGS = tuple(
    Finding(kind, severity, columns, "A sentence of many words about what was found in the data.", "And what to do.")
    for kind, severity, columns in [
        ("imbalance", "warning", ("survived",)),
        ("leakage", "serious", ("boat", "body", "home")),
        ("missing values", "info", ("age",)),
        ("duplicate rows", "warning", ()),
        ("the file gives the answer away", "serious", ()),
        ("few rows", "warning", ()),
    ]
)


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """What the race may end with: either metric, any contenders, 1 to 5 folds, ties, all kinds of verdict."""
    metric = draw(st.sampled_from(["roc_auc", "rmse"]))
    names = draw(st.lists(st.sampled_from(list(CONTENDERS)), min_size=1, unique=True))
    near, factor = draw(st.sampled_from([0.0005, 0.004, 0.05])), 1.0 if metric == "roc_auc" else 1000.0
    means = {name: factor * (0.8 + near * draw(st.integers(-3, 3))) for name in names}
    if "dummy" in means and draw(st.booleans()):
        means["dummy"] = factor * (0.5 if metric == "roc_auc" else 1.2)
    scatter, own = (draw(st.sampled_from([0.0, 0.002, 0.01])) * factor for _ in range(2))
    kind = "binary" if metric == "roc_auc" else "regression"
    made = standings(metric, kind, means, scatter, own, draw(st.sampled_from([1, 2, 3, 5])), draw(st.integers(0, 99)))
    view, worth = binary().comparison, 0.01 * factor
    folds = fold_results(made, metric)
    gains = {name: worth * draw(st.sampled_from([0.0, 5.0])) for name in names}
    readable = draw(st.sets(st.sampled_from(names)))
    made = tuple(replace(s, explainable=s.contender in readable) for s in made)
    evidence = Evidence(METRICS[metric], worth, 0.95, view.plan, made, folds, (), None, "", False, gains=gains)
    verdict = judge(evidence)
    found = {"verdict": verdict, "price": price_of(evidence)}
    return replace(view, metric=metric, worth=worth, standings=made, folds=folds, curves=(), **found)


def words_of(text: str) -> list[str]:
    """The words of a text; numbers and signs are none."""
    return re.findall(r"[A-Za-z][\w'’.-]*", text)


def numbers_of(text: str) -> list[float]:
    return [float(one.replace("−", "-").replace(",", "")) for one in re.findall(r"[−+]?\d[\d,]*(?:\.\d+)?", text)]


@settings(max_examples=80, deadline=None)
@given(comparisons())
def test_what_is_said_first_is_true_of_the_records(comparison):
    first = first_screen(comparison, FINDINGS, ROWS, "runs/titanic-1")
    verdict, metric = comparison.verdict, METRICS[comparison.metric]
    table = {s.contender: s for s in comparison.standings}
    chosen = table[verdict.recommended]

    to_read = only_explainable(comparison.standings) and chosen in competing(comparison.standings)
    assert first.badge == (TO_READ if to_read else OUT_OF_TIME if verdict.unfinished else BADGES[verdict.kind])
    assert not first.sentence.startswith(first.badge)  # it adds something
    assert first.recommended == chosen.title
    assert numbers_of(first.score)[0] == pytest.approx(chosen.means[metric.name], rel=0.002)
    assert ("[" in first.score) == (len(chosen.per_fold) >= 3)
    mean = score_text(metric, chosen).partition(" ± ")[0]  # as the table below has it
    assert f"{first.score} ".partition(" [")[0].rstrip().endswith(f" {mean}"), (first.score, mean)
    assert len(first.leaders) == min(MOST_LEADERS, sum(s.state != "skipped" for s in table.values()))
    assert "skipped" not in {s.state for s in first.leaders}
    assert chosen in first.leaders
    assert [s for s in comparison.standings if s in first.leaders] == list(first.leaders)
    assert {s.family for s in first.leaders} >= {s.family for s in table.values()} & {"dummy"}
    assert len(first.leaders) + first.n_more == len(table)
    told = comparison.price.kind if comparison.price.posterior is not None else "nothing"
    assert ("costs nothing" in first.price, "cannot tell" in first.price) == (
        told == "costs nothing",
        told == "cannot tell",
    )
    only_readable = only_explainable(comparison.standings)
    assert bool(first.price) == (comparison.price.posterior is not None or only_readable)
    if to_read:
        _check_whom_to_read(first, chosen, comparison)
    elif verdict.posterior is not None:
        assert sum(chance.share for chance in first.chances) == pytest.approx(1)
    if verdict.posterior is not None and chosen.family != "dummy" and not to_read:
        _check_the_sentence(first.sentence, comparison)
    else:
        assert not first.chances or verdict.posterior is not None


def _check_whom_to_read(first, chosen, comparison):
    """Of models that a person can read: how many were scored, the recommended one and the best beside it."""
    own = competing(comparison.standings)
    others = [s for s in own if s is not chosen and s.means]
    assert not first.chances  # of networks against simple models, which was not asked
    assert "not known" in first.price
    assert "network needed" not in comparison.verdict.headline
    assert chosen.title.lower() in comparison.verdict.headline.lower()
    assert all(s.title.lower() in first.sentence.lower() for s in (chosen, *others[:1]) if others)
    step = 0.0011 if comparison.metric == "roc_auc" else 1.1
    means = [s.means[comparison.metric] for s in (chosen, *others[:1])]
    if others:
        assert numbers_of(first.sentence)[-2:] == [pytest.approx(one, abs=step) for one in means]


def _check_the_sentence(sentence, comparison):
    """Two scores in the order in which they are named, their difference, and its interval."""
    verdict, sides = comparison.verdict, (comparison.verdict.network, comparison.verdict.simple)
    step = 0.0011 if comparison.metric == "roc_auc" else 1.1  # the last place
    one, other, mean, low, high = numbers_of(sentence.partition("ROC AUC" if step < 1 else "RMSE")[2])[:5]
    first, second = sides[::-1] if verdict.kind == "simple" else sides
    assert one == pytest.approx(first.mean, abs=step)
    assert other == pytest.approx(second.mean, abs=step)
    assert mean == pytest.approx(first.mean - second.mean, abs=step)
    assert low <= mean <= high
    assert high - low == pytest.approx(verdict.posterior.high - verdict.posterior.low, abs=2 * step)
    said = sentence.partition(":")[0].lower()
    for side, together in zip(sides, ("networks", "simple models"), strict=True):
        alone = [s.title.lower() for s in comparison.standings if {s.contender} == set(side.contenders)]
        assert (alone or [together])[0] in said
    if " beat" in said:
        assert verdict.kind in ("network", "simple")
        assert (mean > 0) == METRICS[comparison.metric].greater_is_better


@settings(max_examples=20, deadline=None)
@given(comparisons())
def test_the_terminal_shows_the_same_in_the_same_order(comparison):
    first = first_screen(comparison, FINDINGS, ROWS, "runs/titanic-1")
    for width in (80, 140):
        shown = terminal(comparison, width)
        assert max(map(len, shown.splitlines()[:-3])) <= width  # paths and commands are left whole
        flat = re.sub(r"\s+", " ", shown)
        parts = [first.badge, first.sentence, first.score, *(chance.text for chance in first.chances)]
        parts += [first.leaders[0].title, *(flag.text for flag in first.flags), first.command, "report.html"]
        places = [flat.find(part) for part in parts]
        assert -1 not in places, (parts[places.index(-1)], shown)
        starts = [flat.index(label) for label in ("Verdict", "Use", "Look at", "Next", "Report")]
        assert starts == sorted(starts)
        prose = f"{first.badge} {first.sentence} {first.score} {' '.join(flag.text for flag in first.flags)}"
        assert len(words_of(prose)) <= MOST_WORDS, prose
        for leader in first.leaders:  # a score reads as on the page
            assert f" {score_text(METRICS[comparison.metric], leader)} " in flat


@settings(max_examples=20, deadline=None)
@given(comparisons(), *map(st.sampled_from, (["", " on pixels"], [80, 90, 106, 140], [1, 9, 400])))
def test_no_word_of_the_table_is_broken(comparison, suffix, width, factor):
    late = replace(comparison.standings[-1], contender="late", state="cut short", reason="no time was left for it")
    late = replace(late, per_fold=(), means={}, cost=None, used_seconds=0.0)
    costly = [replace(s, cost=replace(s.cost, fit_seconds=factor * s.cost.fit_seconds)) for s in comparison.standings]
    standings = tuple(replace(s, title=s.title + suffix) for s in (*costly, late))
    shown = terminal(replace(comparison, standings=standings), width)
    words = set(shown.split())
    for leader in first_screen(replace(comparison, standings=standings), (), ROWS, "").leaders:
        improves = {"still", "improves"} if len(leader.rung_means) > 1 else {"may", "improve"}
        state = improves if leader.still_improves else set(leader.told.split())
        assert words >= {*leader.title.split(), *state}, shown


@settings(max_examples=30, deadline=None)
@given(comparisons())
def test_whoever_was_left_without_time_is_offered_more(comparison):
    late = replace(
        comparison.standings[-1], contender="late", family="network", state="cut short", per_fold=(), means={}
    )
    waiting = replace(comparison, standings=(*comparison.standings, late))
    asked = first_screen(waiting, (), ROWS, "runs/x").command
    assert asked.startswith("annvil resume") == (comparison.verdict.kind == "cannot tell")


@settings(max_examples=30, deadline=None)
@given(comparisons())
def test_the_score_of_a_side_is_taken_for_that_of_no_model(comparison):
    """Of a side that several stood for, the sentence says so: the table has no row with its score."""
    verdict, first = comparison.verdict, first_screen(comparison, (), ROWS, "")
    sentence = first.sentence
    nothing_learnt = comparison.standings[-1].contender == verdict.recommended == "dummy"
    if first.badge == TO_READ or verdict.posterior is None or nothing_learnt:
        return
    sides = [side for side in (verdict.network, verdict.simple) if side is not None]
    several = any(len(set(side.contenders)) > 1 for side in sides)
    assert ("(each fold's choice)" in sentence) == (several and verdict.recommended != "dummy")
    if verdict.recommended == "dummy":
        return
    for side in sides:  # the headline takes the same names
        titles = {s.title.lower() for s in comparison.standings if s.contender in side.contenders}
        named = [title for title in titles if title in verdict.headline.lower()]
        assert not named if len(titles) > 1 else named or verdict.kind in ("no network", "cannot tell")


@settings(max_examples=8, deadline=None)
@given(comparisons())
def test_people_read_words_of_the_field(comparison):
    """Words of the code have no place on the page or in the terminal."""
    words = re.compile(r"\b(contenders?|dumm(y|ies)|learnt numbers?|the worth)\b", re.IGNORECASE)
    comparison = replace(comparison, spent_seconds=dict.fromkeys(FAMILIES, 1.0))
    view = replace(bare(), comparison=comparison, findings=FINDINGS)
    page = re.sub(r"<style>.*?</style>|<[^>]*>", " ", render(view), flags=re.DOTALL)
    for text in (page, terminal(comparison, 140)):
        assert not words.findall(text), words.search(text)


def terminal(comparison: Comparison, width: int) -> str:
    from pathlib import Path

    folder = Path("runs/titanic-1")
    run = SimpleNamespace(
        comparison=comparison, verdict=comparison.verdict, findings=FINDINGS, folder=folder,
        report_path=folder / "report.html", kind=SimpleNamespace(words=ROWS),
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_run(console, run, preparation=False, notices=False)
    return console.file.getvalue()


@settings(max_examples=8, deadline=None)
@given(comparisons())
def test_the_page_begins_with_few_words_and_the_rest_is_folded_away(comparison):
    view = replace(bare(), comparison=comparison, findings=FINDINGS)
    (screen,) = re.findall(r'<header class="hero".*?</header>', render(view), re.DOTALL)
    names = ("kicker", "answer", "second", "pick", "chances", "leaders", "flags", "next", "why")
    order = [found for found in re.findall(r'class="([a-z]+)', screen) if found in names]
    chances = comparison.verdict.posterior is not None and TO_READ not in screen
    assert order == [name for name in names if name != "chances" or chances]
    left = screen
    for folded in ("details", "table", "svg", "code"):
        left = re.sub(rf"<{folded}\b.*?</{folded}>", " ", left, flags=re.DOTALL)
    prose = re.sub(r"<[^>]*>", " ", left)
    assert len(words_of(prose)) <= MOST_WORDS, prose
    assert prose.count(BADGES[comparison.verdict.kind]) <= 1
    assert screen.count("<tr") - 1 <= MOST_LEADERS
    assert "<details open" not in screen


def test_serious_findings_come_first_and_are_counted():
    first = first_screen(binary().comparison, FINDINGS, ROWS, "runs/titanic-1")
    assert [flag.text for flag in first.flags] == [
        "Leakage: boat and 2 more", "The file gives the answer away", "Imbalance: survived",
    ]  # fmt: skip
    assert (len(first.flags), first.n_more_flags) == (MOST_FLAGS, 2)


def test_an_open_answer_asks_for_time_and_a_clear_one_for_new_rows():
    comparison = binary().comparison
    open_one = replace(comparison, verdict=replace(comparison.verdict, kind="cannot tell"))
    assert first_screen(open_one, (), ROWS, "a b").command == "annvil resume 'a b' --budget 240s"
    assert first_screen(comparison, (), ROWS, "a b").command == "annvil predict 'a b' new.csv -o predictions.csv"


def test_a_team_with_a_network_is_not_shipped_under_a_badge_that_denies_it():
    comparison = binary().comparison
    team = replace(comparison.standings[0], contender="team", title="Team", family="team", members={"dense-network": 1})
    shipped = replace(
        comparison,
        standings=(team, *comparison.standings),
        verdict=replace(comparison.verdict, kind="no network", recommended="team"),
    )
    assert first_screen(shipped, (), ROWS, "").sentence.endswith("In a team a network helps.")


def test_the_interval_of_a_score_is_that_of_the_corrected_t():
    """By hand for independent folds (an overlap of 0): mean ± t(0.975, 2) sd / √3 = 0.8 ± 4.3027 × 0.1 / 1.7321."""
    comparison = binary().comparison
    scores = (0.7, 0.8, 0.9)
    one = replace(comparison.standings[0], contender="linear", per_fold=scores)
    folds = tuple(
        replace(fold, scores={"roc_auc": score}, overlap=0.0)
        for fold, score in zip([f for f in comparison.folds if f.contender == "linear"], scores, strict=False)
    )
    low, high = score_interval(replace(comparison, folds=folds), one)
    assert low == pytest.approx(0.8 - 0.24842, abs=1e-4)
    assert high == 1.0  # scores end there
    assert score_interval(replace(comparison, folds=folds), replace(one, per_fold=scores[:2])) is None
    wide = tuple(replace(fold, overlap=0.2) for fold in folds)
    assert score_interval(replace(comparison, folds=wide), one)[0] == pytest.approx(
        0.8 - 0.43027 * np.sqrt(1 / 3 + 0.25), abs=1e-3
    )
