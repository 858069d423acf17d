"""Number columns: against scikit-learn and against hand calculation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from annvil.data.table import table_from_columns
from annvil.preparation import LinearPreparation, NetworkPreparation, TreePreparation
from annvil.preparation.column_statistics import normal_scores, summarise

RNG = np.random.default_rng(0)


def numbers(**columns):
    return table_from_columns([(name, "number", values) for name, values in columns.items()])


def test_robust_scale_is_scikit_learns_with_a_smooth_clip():
    values = RNG.normal(50, 5, (200, 3))
    scaled = RobustScaler().fit_transform(values)
    table = numbers(a=values[:, 0], b=values[:, 1], c=values[:, 2])
    prepared = NetworkPreparation.fit(table).transform(table).numbers
    np.testing.assert_allclose(prepared, scaled / np.sqrt(1 + (scaled / 3) ** 2), rtol=1e-5, atol=1e-6)


def test_robust_scale_by_hand():
    # quartiles 1 and 3 around 2; quartiles both 0, range 4; constant
    table = numbers(spread=[0, 1, 2, 3, 4], rare=[0, 0, 0, 0, 4], same=[7, 7, 7, 7, 7])
    prepared = NetworkPreparation.fit(table).transform(table).numbers
    clip = lambda x: x / np.sqrt(1 + (x / 3) ** 2)  # noqa: E731
    np.testing.assert_allclose(prepared[:, 0], clip(np.array([-1, -0.5, 0, 0.5, 1])), rtol=1e-6)
    np.testing.assert_allclose(prepared[:, 1], clip(np.array([0, 0, 0, 0, 2.0])), rtol=1e-6)
    assert prepared[:, 2].tolist() == [0] * 5


def test_huge_values_end_at_three_and_never_turn_round():
    fitted = NetworkPreparation.fit(numbers(x=[0, 1, 2, 3, 4]))
    far = numbers(x=[1e3, 1e9, 1e160, 1.7e308, np.inf, -np.inf])
    np.testing.assert_allclose(fitted.transform(far).numbers[:, 0], [3, 3, 3, 3, 3, -3], rtol=1e-4)


def test_huge_training_values_are_survived():
    table = numbers(x=[1e308, -1e308, 0, 1, 2], y=[1e-320, 0, 2e-320, 0, 0])
    for kind in (LinearPreparation, NetworkPreparation, TreePreparation):
        for scaling in ("robust", "none"):
            assert np.all(np.isfinite(kind.fit(table, scaling=scaling).transform(table).numbers)), kind
    only = numbers(x=[1e300])
    assert np.isfinite(LinearPreparation.fit(only, scaling="none").transform(numbers(x=[np.nan])).numbers).all()


def test_linear_numbers_are_those_of_a_scikit_learn_pipeline():
    values = RNG.normal(50, 5, (300, 3))
    values[RNG.random((300, 3)) < 0.2] = np.nan
    table = numbers(a=values[:, 0], b=values[:, 1], c=values[:, 2])
    prepared = LinearPreparation.fit(table).transform(table).numbers
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    imputed = imputer.fit_transform(values)
    scaler = StandardScaler().fit(values)  # learns from what is there, not from what was filled in
    expected = np.hstack([scaler.transform(imputed[:, :3]), imputed[:, 3:]])
    np.testing.assert_allclose(prepared, expected, rtol=1e-5, atol=1e-6)


def test_a_line_stays_a_line_for_linear_models():
    x = RNG.uniform(-1, 1, 500)
    fitted = LinearPreparation.fit(numbers(x=x))
    assert fitted.names == ("x",)
    prepared = fitted.transform(numbers(x=[0, 1, 2, 1000])).numbers[:, 0]
    slope = prepared[1] - prepared[0]
    np.testing.assert_allclose(prepared[3] - prepared[0], 1000 * slope, rtol=1e-5)


def test_missing_numbers_become_the_median_and_are_marked():
    table = numbers(x=[1, 2, 3, np.nan], full=[1, 2, 3, 4])
    fitted = NetworkPreparation.fit(table)
    assert fitted.names == ("x", "full", "x is missing")
    assert tuple(feature.source for feature in fitted.features) == ("x", "full", "x")
    assert fitted.n_continuous == 2
    prepared = fitted.transform(table).numbers
    assert prepared[3, 0] == 0
    assert prepared[:, 2].tolist() == [0, 0, 0, 1]
    late = fitted.transform(numbers(x=[2], full=[np.nan])).numbers
    assert late.tolist() == [[0, 0, 0]]  # missing where it never was: the median, no column to mark it in


def test_unscaled_numbers_are_as_they_are():
    table = numbers(x=[1, 2, 300, np.nan])
    for kind in (LinearPreparation, NetworkPreparation):
        prepared = kind.fit(table, scaling="none").transform(table).numbers
        assert prepared.tolist() == [[1, 0], [2, 0], [300, 0], [2, 1]]


def test_columns_missing_everywhere_are_zero():
    table = numbers(gone=[np.nan] * 4, x=[1, 2, 3, 4])
    for kind in (LinearPreparation, NetworkPreparation):
        prepared = kind.fit(table).transform(numbers(gone=[np.nan, 5.0], x=[1, 1])).numbers
        assert prepared[:, [0, 2]].tolist() == [[0, 1], [0, 0]]
    assert np.isnan(TreePreparation.fit(table).transform(table).numbers[:, 0]).all()


def test_trees_get_the_nearest_float32_and_keep_missing_values():
    table = numbers(x=[0.1, 1e300, np.nan, -1e300])
    prepared = TreePreparation.fit(table).transform(table).numbers[:, 0]
    limit = np.finfo(np.float32).max
    np.testing.assert_array_equal(prepared, np.array([0.1, limit, np.nan, -limit], dtype=np.float32))


def test_trees_can_tell_time_stamps_apart():
    stamps = 1.7e12 + np.arange(50.0)
    assert len(np.unique(stamps.astype(np.float32))) == 1
    table = numbers(stamp=stamps, year=2000 + np.arange(50.0) / 50)
    prepared = TreePreparation.fit(table).transform(table).numbers
    assert len(np.unique(prepared[:, 0])) == 50
    assert len(np.unique(prepared[:, 1])) == 50


class TestNormalScores:
    def test_only_skewed_columns_get_them(self):
        table = numbers(even=RNG.normal(size=300), skewed=RNG.exponential(size=300))
        assert LinearPreparation.fit(table).names == ("even", "skewed", "skewed (normal score)")
        assert LinearPreparation.fit(table, scaling="none").names == ("even", "skewed")

    def test_they_are_near_scikit_learns_in_the_middle(self):
        x = RNG.exponential(size=2000)
        table = numbers(x=x)
        ours = LinearPreparation.fit(table).transform(table).numbers[:, 1]
        theirs = QuantileTransformer(output_distribution="normal").fit_transform(x[:, None])[:, 0]
        middle = (x > np.quantile(x, 0.05)) & (x < np.quantile(x, 0.95))
        assert np.corrcoef(ours[middle], theirs[middle])[0, 1] > 0.998
        assert np.all(np.diff(ours[np.argsort(x)]) >= 0)
        assert abs(ours.mean()) < 0.05
        assert ours.std() == pytest.approx(1, abs=1e-3)

    def test_far_values_end_where_training_rows_ended(self):
        fitted = LinearPreparation.fit(numbers(x=RNG.exponential(size=300)))
        ends = fitted.transform(numbers(x=[1e300, np.inf, 1e3, np.nan])).numbers[:, 1]
        assert ends[0] == ends[1] == ends[2]
        assert 1 < ends[0] < 3
        assert ends[3] == 0

    def test_knots_of_huge_numbers_stay_apart(self, assert_graph_agrees):
        table = numbers(x=[0, 0, 0, 9.94e15])
        fitted = LinearPreparation.fit(table)
        assert fitted.names == ("x", "x (normal score)")
        assert_graph_agrees(fitted, numbers(x=[0, 5e15, 9.94e15, 1e16, 1e300]))

    def test_a_value_met_often_has_one_score(self):
        x = np.concatenate([np.zeros(200), RNG.exponential(size=200)])
        part = normal_scores(summarise(numbers(x=x), cyclic=True))
        assert np.all(np.diff(part.knots) > 0)
        assert np.all(np.diff(part.scores) >= 0)

    def test_skewness_is_scipys(self):
        from scipy.stats import skew

        from annvil.preparation.skewness import skewness

        values = np.stack([RNG.exponential(size=300), -RNG.exponential(size=300), RNG.normal(size=300)], axis=1)
        values[:10, 1] = np.nan
        found = [skewness(column) for column in (values[:, 0], values[:, 1], 1e140 * values[:, 2])]
        np.testing.assert_allclose(found, skew(values, nan_policy="omit"), rtol=1e-6)


class TestDates:
    def test_only_parts_that_vary_are_kept(self):
        noon_of_days = table_from_columns([("when", "datetime", 43200 + 86400.0 * np.arange(10))])
        assert TreePreparation.fit(noon_of_days).names == ("when (days)", "when (weekday)")
        assert NetworkPreparation.fit(noon_of_days).names == (
            "when (days)",
            "when (weekday, sine)",
            "when (weekday, cosine)",
        )

    def test_trees_see_plain_parts(self):
        # 1969-12-31 23:00, a Wednesday, and 2000-02-29 12:00, a Tuesday
        table = table_from_columns([("when", "datetime", [-3600.0, 951825600.0, np.nan])])
        fitted = TreePreparation.fit(table)
        names = ["days", "year", "month", "weekday", "hour"]
        assert fitted.names == tuple(f"when ({name})" for name in names)
        prepared = fitted.transform(table).numbers
        np.testing.assert_allclose(prepared[0], [23 / 24, 1969, 12, 2, 23], rtol=1e-6)  # days since the first one
        np.testing.assert_allclose(prepared[1], [11017.5, 2000, 2, 1, 12], rtol=1e-6)
        assert np.isnan(prepared[2]).all()

    def test_december_is_as_near_to_january_as_january_to_february(self):
        months = np.array(["2020-12-01", "2021-01-01", "2021-02-01"], dtype="datetime64[s]").astype(float)
        table = table_from_columns([("when", "datetime", months)])
        fitted = NetworkPreparation.fit(table)
        places = [fitted.names.index(f"when (month, {wave})") for wave in ("sine", "cosine")]
        points = fitted.transform(table).numbers[:, places]
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        np.testing.assert_allclose(steps[0], steps[1], rtol=1e-5)

    def test_a_missing_date_is_the_middle_of_every_circle(self):
        table = table_from_columns([("when", "datetime", [0.0, 40 * 86400.0 + 3600, np.nan])])
        fitted = LinearPreparation.fit(table)
        prepared = fitted.transform(table).numbers
        waves = [i for i, name in enumerate(fitted.names) if "sine" in name]
        assert len(waves) == 6
        assert prepared[2, waves].tolist() == [0] * 6
        assert prepared[:, fitted.names.index("when is missing")].tolist() == [0, 0, 1]

    def test_parts_are_those_of_pandas(self):
        moments = pd.Series(pd.to_datetime(RNG.integers(9e8, 1.8e9, 300), unit="s"))
        seconds = moments.to_numpy().astype("datetime64[s]").astype(float)
        table = table_from_columns([("when", "datetime", seconds)])
        fitted = TreePreparation.fit(table)
        names = ["days", "year", "day of the year", "weekday", "minute of the day"]
        assert fitted.names == tuple(f"when ({name})" for name in names)
        prepared = fitted.transform(table).numbers
        when = moments.dt
        assert prepared[:, 1].tolist() == when.year.tolist()
        leap_day_passed = ~when.is_leap_year & (when.month > 2)
        assert prepared[:, 2].tolist() == (when.day_of_year + leap_day_passed).tolist()
        assert prepared[:, 3].tolist() == when.day_of_week.tolist()
        assert prepared[:, 4].tolist() == (when.hour * 60 + when.minute).tolist()

    def test_the_coarser_part_is_given_where_the_finer_one_tells_no_more(self):
        firsts = pd.date_range("2019-01-01", "2022-12-01", freq="MS") + pd.to_timedelta(RNG.integers(0, 24, 48), "h")
        table = table_from_columns([("when", "datetime", firsts.to_numpy().astype("datetime64[s]").astype(float))])
        names = ["days", "year", "month", "weekday", "hour"]
        assert TreePreparation.fit(table).names == tuple(f"when ({name})" for name in names)

    def test_seconds_of_a_decade_are_told_apart(self):
        seconds = np.datetime64("2015-01-01", "s").astype(float) + np.array([0.0, 60, 3650 * 86400, 3650 * 86400 + 60])
        assert len(np.unique((seconds / 86400).astype(np.float32))) == 2
        table = table_from_columns([("when", "datetime", seconds)])
        for kind in (LinearPreparation, NetworkPreparation, TreePreparation):
            assert len(np.unique(kind.fit(table).transform(table).numbers[:, 0])) == 4, kind

    def test_dates_of_a_row_are_subtracted_before_they_are_rounded(self, assert_graph_agrees):
        start = pd.to_datetime(RNG.integers(0, 1.8e9, 200), unit="s").to_series(index=range(200))
        end = start + pd.to_timedelta(RNG.integers(0, 3600, 200), unit="s")
        end[7] = pd.NaT
        seconds = [(column - pd.Timestamp(0)).dt.total_seconds() for column in (start, end)]
        table = table_from_columns([("start", "datetime", seconds[0]), ("end", "datetime", seconds[1])])
        fitted = TreePreparation.fit(table)
        place = fitted.names.index("end - start (days)")
        expected = (end - start) / pd.Timedelta(days=1)
        np.testing.assert_allclose(fitted.transform(table).numbers[:, place], expected, rtol=1e-6)
        for kind in (LinearPreparation, NetworkPreparation):
            prepared = kind.fit(table).transform(table).numbers[:, kind.fit(table).names.index("end - start (days)")]
            assert abs(np.corrcoef(prepared, expected.fillna(expected.median()))[0, 1]) > 0.95, kind
        strange = [np.nan, np.inf, -np.inf, 1e18, 0.5, -7e9]
        far = table_from_columns([("start", "datetime", strange), ("end", "datetime", strange[::-1])])
        for kind in (LinearPreparation, NetworkPreparation, TreePreparation):
            assert_graph_agrees(kind.fit(table), table)
            assert_graph_agrees(kind.fit(table), far)

    def test_equal_distances_are_left_out_and_many_dates_are_only_subtracted_from_the_next(self):
        first = RNG.uniform(0, 1e9, 50)
        weeks = table_from_columns([("a", "datetime", first), ("b", "datetime", first + 7 * 86400)])
        assert not any(" - " in name for name in TreePreparation.fit(weeks).names)
        columns = [(f"d{k}", "datetime", 1e9 * k + RNG.uniform(0, 1e8, 50)) for k in RNG.permutation(7).tolist()]
        names = TreePreparation.fit(table_from_columns(columns)).names
        assert [name for name in names if " - " in name] == [f"d{k + 1} - d{k} (days)" for k in range(6)]
