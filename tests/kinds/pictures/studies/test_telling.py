"""Rows and sentences for trials whose losses are made up."""

import numpy as np
import pytest

from annvil.comparison.studies.shelf import as_bytes
from annvil.comparison.studies.wording import Scale, count, many, seconds
from annvil.kinds.pictures.studies.cost_text import Pair, accuracy, memory, parameters
from annvil.kinds.pictures.studies.operation_counts import GraphCount
from annvil.kinds.pictures.studies.study_text import data_needed, disturbed, structure, transfer
from annvil.kinds.pictures.studies.trials import Trial
from annvil.tasks.union import make_task

CLASSES, NUMBERS = Scale(make_task("multiclass", "digit", ("0", "1", "2"))), Scale(make_task("regression", "size"))
N = 400
GROUPS = np.arange(N)


def trial(wrong=0, seed=0, name="pixels-dense", **more):
    """A trial of N test pictures of which so many, drawn with the seed, are told wrongly."""
    losses = np.zeros(N)
    losses[np.random.default_rng(seed).permutation(N)[:wrong]] = 1
    values = dict.fromkeys(("n_train", "n_parameters", "epochs"), 1) | {"fit_seconds": 1.0, "memory_mb": 5.0}
    values |= {"summary": "a network", "configuration": {}, "key": "whole-0"} | more
    return Trial(contender=name, losses=as_bytes(losses), **values)


def pair(dense, convolutional, **more):
    return Pair(trial(dense, 1, **more), trial(convolutional, 2, "convolutional", **more))


def test_the_better_network_is_named_only_where_that_is_certain():
    better = accuracy(pair(60, 10), GROUPS, CLASSES, "400 pictures")
    assert better.sentence.startswith(
        "On 400 pictures the convolutional network is right more often: +12.5 points (95%"
    )
    assert better.dense.startswith("85.0% (")
    worse = accuracy(pair(10, 60), GROUPS, CLASSES, "400 pictures")
    assert "the dense network is right more often" in worse.sentence
    assert accuracy(pair(12, 10), GROUPS, CLASSES, "400 pictures").sentence.startswith("No difference can be told")


def test_sharing_is_told_by_what_it_saves():
    found = parameters(
        Pair(
            trial(n_parameters=26_826),
            trial(
                n_parameters=93_952,
                counts=GraphCount(shared_weights=90_000, weights_at_every_place=2_340_000, weights_joining_all=1.06e7),
            ),
        )
    )
    assert (found.dense, found.convolutional) == ("26,826", "93,952")
    assert "would need 2.34 million" in found.sentence
    assert found.sentence.endswith("Sharing divides their number by 26.")


def test_memory_of_the_race_is_called_coarse():
    assert "needs" in memory(Pair(trial(memory_mb=10.0), trial(memory_mb=50.0))).sentence
    assert memory(Pair(trial(key="race"), trial(key="race"))).sentence.startswith("Coarse")


def test_pictures_needed_are_those_of_the_network_that_is_behind():
    pairs = {100: pair(200, 80), 200: pair(120, 40), 400: pair(60, 20)}
    finding, rows = data_needed(pairs, GROUPS, CLASSES, 0)
    needed = finding.numbers["pictures_the_other_needs"]
    assert finding.numbers["behind"] == "dense"
    assert needed == pytest.approx(100 * 2**0.5)
    assert "the convolutional network reaches with about 140" in finding.sentence
    assert "the dense network needs 2.8 times the pictures" in finding.sentence
    assert rows.rows[0][0] == "100"
    assert rows.rows[-1][-1] == "more than 400"
    reversed_, _ = data_needed({n: Pair(p.convolutional, p.dense) for n, p in pairs.items()}, GROUPS, CLASSES, 0)
    assert "the convolutional network needs 2.8 times the pictures" in reversed_.sentence


def test_a_curve_that_starts_above_is_not_extrapolated():
    pairs = {100: pair(200, 30), 400: pair(60, 20)}
    finding, _ = data_needed(pairs, GROUPS, CLASSES, 0)
    assert "with 100 or fewer: the dense network needs more than 4.0 times the pictures" in finding.sentence


def test_a_shuffle_that_costs_nothing_and_one_that_costs():
    originals = [pair(40, 10), pair(41, 10)]
    shuffles = [pair(41, 80), pair(40, 82)]
    told = structure(originals, shuffles, GROUPS, CLASSES, "").sentence
    assert "does not care where a pixel is, as theory has it" in told
    assert "loses what it drew from pixels being neighbours" in told
    harmless = structure(originals, [pair(40, 11), pair(42, 10)], GROUPS, CLASSES, "").sentence
    assert "loses nothing that can be told from chance" in harmless


def test_one_training_each_calls_nothing_of_the_dense_network_a_finding():
    told = structure([pair(10, 10)], [pair(60, 90)], GROUPS, CLASSES, "").sentence
    assert "one training each cannot tell from chance" in told
    assert "learnt once; the intervals hold not what chance does" in told


def test_the_steadier_network_is_named():
    def seen(wrong):
        return {
            "as they are": trial(10).losses,
            "shifted by 1 pixel": trial(wrong, 5).losses,
            "shifted by 2 pixels": trial(2 * wrong, 5).losses,
        }

    both = Pair(trial(10, disturbed=seen(100)), trial(10, disturbed=seen(12)))
    found = disturbed(both, GROUPS, CLASSES, "shifted by", "shifts")
    assert found.dense == "1 pixel: −22.5, 2 pixels: −47.5 points"
    assert "The convolutional network is steadier: it loses 2.0 points on average where the dense one loses 35.0" in (
        found.sentence
    )
    assert disturbed(pair(1, 1), GROUPS, CLASSES, "shifted by", "shifts") is None


def test_transfer_says_where_it_helps():
    pairs = {10: (pair(160, 100), pair(158, 30)), 50: (pair(60, 20), pair(61, 22))}
    finding, rows = transfer(pairs, GROUPS, CLASSES, (5, 5))
    assert "gives the dense network nothing that can be told from chance" in finding.sentence
    assert "helps the convolutional network up to 10 pictures a class, by up to 17.5 points" in finding.sentence
    assert [row[0] for row in rows.rows] == ["10", "50"]
    nothing, _ = transfer({50: pairs[50]}, GROUPS, CLASSES, (5, 5))
    assert "gives neither network anything" in nothing.sentence


def test_numbers_are_written_with_few_digits():
    assert [count(n) for n in (26_826, 5_917_000, 1.234e9)] == ["26,826", "5.92 million", "1.23 billion"]
    assert [seconds(t) for t in (21.4e-6, 0.0013, 2.43, 200)] == ["21 µs", "1.3 ms", "2.4 s", "3 min 20 s"]
    assert [many(n) for n in (141.4, 1437, 8)] == ["140", "1,400", "8"]
    assert NUMBERS.difference(-0.0231) == "−0.023"
    assert CLASSES.difference(-0.0003) == "0.0 points"
