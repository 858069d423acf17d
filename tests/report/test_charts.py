"""The chart kit: positions, ticks, labels, and every chart's text inside its frame and off other text."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from annvil.plots import labels, scale
from annvil.plots.charts.chances import chances
from annvil.plots.charts.confusion import confusion
from annvil.plots.charts.effort import Climb, effort
from annvil.plots.charts.fold_scores import Strip, fold_scores
from annvil.plots.charts.intervals import Estimate, interval_bars
from annvil.plots.charts.learning import Curve, learning
from annvil.plots.charts.pareto import Offer, frontier, pareto
from annvil.plots.charts.posterior import Belief, posterior, student_density
from annvil.plots.charts.training import History, training
from annvil.report import figures
from annvil.report.column_importance import importance_figure
from annvil.report.figure import Figure, estimates
from annvil.report.held_out import errors

from .views import VIEWS

NAMESPACE_FREE = re.compile(r"^\{.*\}")


def texts_of(svg: str) -> list[tuple[str, labels.Box]]:
    """Upright texts of a chart with their estimated boxes; texts inside turned groups are left out."""
    root = ElementTree.fromstring(svg)
    found = []

    def walk(element, turned):
        turned = turned or "rotate" in element.get("transform", "")
        if element.tag == "text" and not turned:
            text = element.text or ""
            big = 26 if "share" in element.get("class", "") else 12 if "tick" not in element.get("class", "") else 11.5
            big = 19 if "small" in element.get("class", "") else big
            width = labels.text_width(text, big) / labels._WIDER  # the estimate errs on the wide side by that
            x, y = float(element.get("x")), float(element.get("y"))
            left = x - width * {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "start")]
            found.append((text, labels.Box(left, y - 0.72 * big, left + width, y + 0.18 * big)))
        for child in element:
            walk(child, turned)

    walk(root, False)
    return found


def check_layout(svg: str) -> None:
    """Well-formed, all text inside the drawing, no two texts over each other."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert root.find("title").text
    assert root.find("desc").text
    assert "nan" not in svg
    texts = texts_of(svg)
    for text, box in texts:
        assert box.left >= -3, text
        assert box.right <= width + 3, text
        assert box.top >= -3, text
        assert box.bottom <= height + 3, text
    for (one, a), (other, b) in combinations(texts, 2):
        assert a.overlap(b) < 6, (one, other)


def figures_of(view) -> list[Figure]:
    comparison = view.comparison
    made = [
        figures.posterior_figure(comparison),
        figures.paired_figure(comparison),
        figures.fold_figure(comparison),
        figures.effort_figure(comparison),
        figures.pareto_figure(comparison),
        figures.learning_figure(comparison),
        figures.ablation_figure(comparison),
        importance_figure(view),
    ]
    if curves := figures.training_figure(view):
        made.append(curves[0])
    if (told := errors(view)) is not None:
        made += told["figures"]
    return [figure for figure in made if figure is not None]


@pytest.mark.parametrize("name", VIEWS)
def test_every_chart_keeps_its_text_inside_and_apart(name):
    for figure in figures_of(VIEWS[name]()):
        assert figure.caption.endswith(".")
        for svg in (figure.wide, figure.narrow):
            check_layout(svg)


@pytest.mark.parametrize("name", VIEWS)
def test_a_caption_speaks_of_a_ring_where_there_is_one(name):
    """Of a baseline or a team that ships there is no mark."""
    comparison = VIEWS[name]().comparison
    for standing in comparison.standings:
        verdict = replace(comparison.verdict, recommended=standing.contender)
        for draw in (figures.effort_figure, figures.pareto_figure):
            figure = draw(replace(comparison, verdict=verdict))
            if figure is not None:
                assert ("ringed" in figure.caption) == ('ringed"' in figure.wide), (standing.contender, figure.caption)


class TestScale:
    @given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
    def test_ticks_are_multiples_of_1_2_or_5_and_lie_inside(self, low, span, about):
        high = low + span
        if high - low < 1e-9 * abs(low):
            return
        step = scale.nice_step(high - low, about)
        mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
        assert mantissa == pytest.approx(1) or mantissa == pytest.approx(2) or mantissa == pytest.approx(5)
        ticks = scale.nice_ticks(low, high, about)
        assert len(ticks) <= about + 1
        assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in ticks)
        assert all(b > a for a, b in pairwise(ticks))

    def test_ticks_of_a_usual_range(self):
        assert scale.nice_ticks(0.831, 0.889, 6) == (0.84, 0.85, 0.86, 0.87, 0.88)
        assert scale.nice_ticks(-1.3, 1.3, 5) == (-1.0, 0.0, 1.0)

    def test_logarithmic_ticks(self):
        assert scale.log_ticks(0.2, 150, 4) == (1.0, 10.0, 100.0)
        assert scale.log_ticks(20, 3000, 8) == (20, 50, 100, 200, 500, 1000, 2000)
        assert len(scale.log_ticks(3.1, 3.9, 5)) >= 2

    @given(st.floats(1e-3, 1e6), st.floats(1.01, 1e6), st.integers(2, 9))
    def test_logarithmic_ticks_lie_inside(self, low, ratio, about):
        ticks = scale.log_ticks(low, low * ratio, about)
        assert all(low * 0.999999 <= tick <= low * ratio * 1.000001 for tick in ticks)

    def test_labels_share_decimals_and_use_a_true_minus(self):
        assert scale.tick_labels((-0.5, 0.0, 0.5)) == ["−0.5", "0.0", "0.5"]
        assert scale.tick_labels((10_000.0, 20_000.0)) == ["10,000", "20,000"]
        assert scale.tick_labels((0.0, 20_000_000.0)) == ["0 M", "20 M"]
        assert scale.log_labels((0.3, 1.0, 1000.0)) == ["0.3", "1", "1,000"]

    def test_equal_values_still_have_a_scale(self):
        one = scale.fit_scale([0.7, 0.7], 0, 100)
        assert 0 < one(0.7) < 100
        assert scale.fit_scale([float("nan")], 0, 100)(0.5) == 50
        assert scale.fit_scale([3.0], 0, 100, log=True)(3.0) == pytest.approx(50)


@given(
    st.lists(st.tuples(st.floats(0.0005, 90), st.floats(0.02, 0.9)), min_size=1, max_size=4),
    st.integers(0, 30),
    st.sampled_from([1e-5, 1e-7, 0.0]),
)
def test_the_greatest_estimate_is_told_with_its_digits_beside_many_of_nothing(some, n_nothing, nothing):
    """With 15 of 20 columns that changed nothing, 0.043 (0.032 to 0.054) was told as 0 (0 to 0.1)."""
    rows = [("column", mean, mean * (1 - part), mean * (1 + part)) for mean, part in some]
    rows += [("nothing", nothing, nothing, nothing)] * n_nothing
    greatest = max(range(len(rows)), key=lambda at: rows[at][1])
    shown = estimates(rows)[greatest].shown
    _, mean, low, high = rows[greatest]
    told = [float(one.replace(",", "")) for one in re.findall(r"\d[\d,.]*", shown)]
    off = max(0.051 * (high - low) / 2, 0.00005001)  # half of the second digit of half of the interval; four at most
    assert told == pytest.approx([mean, low, high], abs=off), shown


class TestLabels:
    def test_width_estimate_is_never_below_dejavu_or_helvetica(self):
        # Advance widths of Helvetica (AFM): "Boosted trees" is 5.892 em, "Wine" 2.222 em... 12 px a em.
        assert 12 * 5.892 <= labels.text_width("Boosted trees") <= 1.25 * 12 * 5.892

    @given(*[st.floats(-999, 999)] * 3)
    def test_an_estimate_with_its_interval_has_room_in_dejavu(self, value, low, high):
        """Its advance widths in ems, measured; at 390 pixels a label ran into "+0.214 (+0.173 to +0.256)"."""
        wide = {"+": 0.84, "−": 0.84, ".": 0.32, "(": 0.39, ")": 0.39, " ": 0.32, "t": 0.39, "o": 0.61}
        text = f"{value:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")
        assert labels.text_width(text) >= 0.99 * 12 * sum(wide.get(sign, 0.64) for sign in text)

    @given(st.text(max_size=60), st.floats(15, 300))
    def test_shortened_text_fits(self, text, width):
        short = labels.shorten(text, width)
        assert short == text or short.count("…") >= 1
        assert labels.text_width(short) <= max(width, labels.text_width("…"))

    def test_shortening_keeps_both_ends(self):
        assert re.fullmatch(r"absorbance.*….*nm", labels.shorten("absorbance of the sample at 444 nm", 130))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.floats(150, 250), st.floats(60, 110)), min_size=2, max_size=4))
    def test_no_leader_runs_through_another_label(self, points):
        """It read as that label's: the points lie near each other, and there is room around them."""
        texts = ["Pretrained network", "Linear model on gradients", "Team of models", "Boosted trees"][: len(points)]
        placed = labels.place_labels(points, texts, labels.Box(0, 0, 420, 300))
        for point, one in zip(points, placed, strict=True):
            end = labels.leader_end(point, one)
            path = [tuple(a + step / 60 * (b - a) for a, b in zip(point, end, strict=True)) for step in range(61)]
            for other in placed if one.far else ():
                box = other.box
                inside = [box.left + 1 < x < box.right - 1 and box.top + 1 < y < box.bottom - 1 for x, y in path]
                assert other is one or not any(inside)

    @settings(max_examples=60, derandomize=True, deadline=None)
    @given(st.lists(st.tuples(st.floats(60, 640), st.floats(40, 300)), min_size=1, max_size=8))
    def test_a_few_labels_never_lie_on_each_other(self, points):
        area = labels.Box(40, 30, 690, 330)
        placed = labels.place_labels(points, ["Network ensemble"] * len(points), area)
        for a, b in combinations(placed, 2):
            assert a.box.overlap(b.box) < 6  # square pixels: less than a touch
        for one in placed:
            assert one.box.left >= area.left - 1
            assert one.box.right <= area.right + 1

    @given(st.lists(st.floats(0, 100), min_size=1, max_size=7))
    def test_spread_out_keeps_order_gap_and_bounds(self, positions):
        moved = labels.spread_out(positions, 15, 0, 100)
        assert all(-1e-9 <= m <= 100 + 1e-9 for m in moved)
        ordered = [m for _, m in sorted(zip(positions, moved, strict=True))]
        assert all(b - a >= 15 - 1e-6 for a, b in pairwise(sorted(ordered)))


class TestCharts:
    def test_density_agrees_with_scipy(self):
        for df, value in [(4, 0.3), (24, -1.2), (99, 2.0)]:
            ours = student_density(value, 0.1, 0.7, df)
            assert ours == pytest.approx(stats.t(df, 0.1, 0.7).pdf(value), rel=1e-12)

    @pytest.mark.parametrize("width", [700.0, 342.0])
    @pytest.mark.parametrize(("mean", "spread"), [(0.0, 0.0), (0.0, 1e-9), (8.0, 0.2), (-3.0, 40.0)])
    def test_posterior_far_from_narrow_or_wider_than_the_region(self, mean, spread, width):
        belief = Belief(
            mean,
            spread,
            4,
            1.0,
            (mean,) * 5,
            ("<0.1%", "<0.1%", ">99.9%"),
        )
        check_layout(posterior(belief, "gain of the network side, ROC AUC", width, "p"))

    def test_frontier_is_what_no_other_dominates(self):
        rng = np.random.default_rng(0)
        for greater in (True, False):
            offers = [Offer(str(i), "trees", c, s, 0, "") for i, (c, s) in enumerate(rng.uniform(1, 9, size=(12, 2)))]
            sign = 1 if greater else -1
            kept = [
                o
                for o in offers
                if not any(p.cost <= o.cost and sign * p.score >= sign * o.score for p in offers if p is not o)
            ]
            assert frontier(offers, greater) == sorted(kept, key=lambda o: o.cost)

    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_a_crowd_on_one_spot_is_still_legible(self, width):
        offers = [
            Offer(f"Contender {i}", "network", 10 + 0.01 * i, 0.9 + 0.0001 * i, 0.01, "", i == 0) for i in range(8)
        ]
        check_layout(pareto(offers, "ROC AUC", "seconds to train one fold", True, width, "p"))

    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_nine_ladders_that_end_close_together_are_named_apart(self, width):
        climbs = [
            Climb(
                f"Contender number {i}",
                "network" if i % 2 else "trees",
                tuple(1.5**i * 3.0**step for step in range(1 + i % 4)),
                tuple(0.9 + 0.001 * i + 0.01 * step for step in range(1 + i % 4)),
                5,
                i == 3,
            )
            for i in range(9)
        ]
        svg = effort(climbs, "ROC AUC", True, width, "e", worth=0.01)
        check_layout(svg)
        assert svg.count("<title>Contender number 3, step") == 4
        assert "Contender number 3, step 4 of 5: 0.933 after 1 min 31 s" in svg
        for i in range(9):
            assert f"Contender number {i}</text>" in svg or f"Contender number {i}<title>" in svg

    def test_of_errors_lower_is_better(self):
        svg = effort([Climb("Linear model", "linear", (1.0, 2.0), (20.0, 10.0), 2)], "RMSE", False, 700.0, "e")
        assert "RMSE, lower is better" in svg
        check_layout(svg)

    def test_a_curve_that_ends_early_is_named_where_it_ends(self):
        """A line from its end to a name at the edge would read as its continuation."""
        sizes = (25.0, 50.0, 100.0)
        short, long = (
            Curve("Short", "network", sizes[:2], (0.5, 0.6), (0, 0)),
            Curve("Long", "trees", sizes, (0.6,) * 3, (0,) * 3),
        )
        svg = learning([short, long], "ROC AUC", True, 700.0, "l")
        assert svg.count('class="leader') == 1
        assert "leader simple" in svg
        check_layout(svg)

    def test_where_two_curves_meet(self):
        sizes = (25.0, 50.0)
        curves = [Curve("a", "network", sizes, (0.5, 0.7), (0, 0)), Curve("b", "trees", sizes, (0.6, 0.6), (0, 0))]
        svg = learning(curves, "ROC AUC", True, 700.0, "l", meeting=(37.2, 0.6))
        assert svg.count('class="crossing"') == 1
        assert "cross near 38 rows" in svg
        assert "cross near" not in learning(curves, "ROC AUC", True, 700.0, "l")
        check_layout(svg)

    def test_the_hopeless_are_marked_outside_the_scale(self):
        strips = [
            Strip("Trees", "trees", (0.90, 0.91), 0.905, 0.007, "0.905 ± 0.007"),
            Strip("Linear", "linear", (0.89, 0.90), 0.895, 0.007, "0.895 ± 0.007"),
            Strip("Dummy", "dummy", (0.5, 0.5), 0.5, 0.0, "0.500 ± 0.000"),
        ]
        svg = fold_scores(strips, "ROC AUC", True, 700.0, "f")
        assert svg.count("outside this scale") == 1
        check_layout(svg)

    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_very_long_names(self, width):
        names = ["x" * 300, "a name of many words " * 20, "日本語の列名" * 30]
        check_layout(
            interval_bars([Estimate(n, 0.1, -0.1, 0.3, "0.1 (−0.1 to 0.3)") for n in names], "points", "t", width, "i")
        )
        check_layout(confusion([[5, 1, 0], [0, 9, 2], [1, 1, 7]], names, width, "c"))
        check_layout(
            fold_scores([Strip(n, "trees", (0.9,), 0.9, 0.0, "0.900 ± 0.000") for n in names], "R²", True, width, "f")
        )

    @pytest.mark.parametrize("n_classes", [2, 3, 7, 12])
    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_confusion_matrices_of_all_sizes(self, n_classes, width):
        counts = (1000 * np.eye(n_classes) + 7).astype(int).tolist()
        check_layout(confusion(counts, [f"variety {i}" for i in range(n_classes)], width, "c"))

    def test_one_epoch_and_endless_losses(self):
        check_layout(training([History("fold 1", (0.5,), (0.6,))], "network", "epochs", 700.0, "t"))
        long = tuple(1 / (1 + i) for i in range(5000))
        svg = training([History("fold 1", long, long)], "network", "epochs", 342.0, "t")
        assert len(svg) < 12_000

    @pytest.mark.parametrize("at", [(60.0, 50.0), (350.0, 50.0), (640.0, 50.0), (640.0, 12.0)])
    def test_a_bold_label_keeps_off_its_own_mark(self, at):
        text = "Linear model on gradients"
        (place,) = labels.place_labels([at], [text], labels.Box(0, 0, 700, 100), strong=[True])
        bold = labels.text_width(text) * labels.BOLDER
        assert (
            labels.Box(place.x, place.box.top, place.x + bold, place.box.bottom).overlap(
                labels.Box(at[0] - 5, at[1] - 5, at[0] + 5, at[1] + 5)
            )
            == 0.0
        )

    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_epochs_are_counted_in_whole_numbers(self, width):
        for n in range(1, 60):
            losses = tuple(1 / (1 + i) for i in range(n))
            svg = training([History("fold 1", losses, losses)], "network", "epochs", width, "t")
            bottom = max(box.top for text, box in texts_of(svg) if text != "epochs")
            ticks = [text for text, box in texts_of(svg) if box.top > bottom - 1 and text != "epochs"]
            assert ticks, n
            assert all(tick.isdigit() for tick in ticks), (n, ticks)

    @pytest.mark.parametrize("parts", [("training",), ("validation",), ("validation", "training")])
    def test_the_legend_of_training_names_what_is_drawn(self, parts):
        losses = (0.9, 0.5, 0.4)
        one = History("fold 1", losses if "training" in parts else (), losses if "validation" in parts else ())
        svg = training([one], "network", "epochs", 700.0, "t")
        assert [t for t, _ in texts_of(svg) if t.endswith(" rows")] == [f"{part} rows" for part in parts]

    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_the_strip_of_chances_holds_its_labels(self, width):
        for shares in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.02, 0.02, 0.96), (0.96, 0.02, 0.02), (0.3, 0.4, 0.3)]:
            labelled = [
                (side, p, f"{side} {p:.0%}") for side, p in zip(("network", "equal", "simple"), shares, strict=True)
            ]
            svg = chances(labelled, width, "c")
            check_layout(svg)
            drawn = [float(part) for part in re.findall(r'<rect[^>]* width="([\d.]+)"', svg)]
            assert sum(drawn) <= width

    @pytest.mark.parametrize("width", [700.0, 342.0])
    def test_short_class_names_are_shown_whole(self, width):
        shown = [text for text, _ in texts_of(confusion([[5, 1], [0, 9]], ["0", "1"], width, "c"))]
        assert shown.count("0") == 2  # row and column; a cell of no mistakes is left empty
        assert "…" not in shown
