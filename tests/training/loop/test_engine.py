"""The promises of the engine: each test is one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.training.helpers import ROWS, equal, members, seeded, small_network, table, weights
from torch import Tensor, nn

from annvil.errors import DataError, RequestError
from annvil.networks import DenseNetwork, Dropout
from annvil.training import Member, Population, Progress, Recipe, train_population
from annvil.training.loop import workers as packing

NUMBERS, CLASSES = table()


def train(population: list[Member], recipe: Recipe, **more: object) -> Population:
    make = more.pop("make", small_network)
    return train_population(make, (NUMBERS,), CLASSES, population, recipe, "cross-entropy", **more)  # type: ignore[arg-type]


def test_it_learns() -> None:
    population = train(members(3, learning_rate=0.02), Recipe(40, batch_size=32))
    outputs = population.predict((NUMBERS,), rows=ROWS[140:])
    accuracy = (outputs.argmax(-1) == CLASSES[140:]).float().mean(1)
    assert outputs.shape == (3, 60, 3)
    assert (accuracy > 0.75).all()
    assert population.states == ("finished",) * 3
    assert all(len(h["train_loss"]) == len(h["validation_loss"]) == 40 for h in population.histories)


def noisy_network(member: Member) -> nn.Module:
    return seeded(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), Dropout(0.3), nn.Linear(8, 3)), member.seed)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_members_together_give_what_each_gives_alone(optimizer: str) -> None:
    recipe = Recipe(4, batch_size=32, optimizer=optimizer, schedule="one-cycle", clip_norm=0.5)  # type: ignore[arg-type]
    together = [
        Member(ROWS[: 140 - k], ROWS[140:], seed=k, learning_rate=0.01 * (k + 1), weight_decay=0.1 * k, dropout=0.1 * k)
        for k in range(5)
    ]
    population = train(together, recipe, make=noisy_network)
    for k, member in enumerate(together):
        alone = train([member], recipe, make=noisy_network)
        for mine, theirs in zip(weights(alone, 0), weights(population, k), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        assert alone.validation_loss[0] == pytest.approx(population.validation_loss[k], abs=1e-5)


def test_with_equal_settings_together_and_alone_are_equal_to_the_bit() -> None:
    population = train(members(5), Recipe(4, batch_size=32), make=noisy_network)
    for k in range(5):
        alone = train([members(5)[k]], Recipe(4, batch_size=32), make=noisy_network)
        assert equal(weights(alone, 0), weights(population, k))


def test_the_cut_into_packs_and_the_workers_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(members(7), Recipe(3, batch_size=32, threads=1))
    monkeypatch.setattr(packing, "MOST_MEMBERS", 2)
    parts = train(members(7), Recipe(3, batch_size=32, threads=2))
    assert (whole.choices["packs"], parts.choices["packs"], parts.choices["workers"]) == (1, 4, 2)
    assert all(equal(weights(whole, k), weights(parts, k)) for k in range(7))


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    recipe = Recipe(2, batch_size=32)
    one, again = (train(members(2), recipe) for _ in range(2))
    assert equal(weights(one, 0), weights(again, 0))
    other = train([Member(ROWS[:140], ROWS[140:], seed=5)], recipe, make=lambda _: small_network(members(1)[0]))
    assert not equal(weights(one, 0), weights(other, 0))


def test_global_generators_are_left_alone() -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    threads = torch.get_num_threads()

    def make(member: Member) -> nn.Module:
        generator = torch.Generator().manual_seed(member.seed)
        return DenseNetwork(6, [], 3, generator, widths=(8,), dropout=0.1)

    inputs = (NUMBERS, torch.zeros(200, 0, dtype=torch.int64))
    train_population(make, inputs, CLASSES, members(2, dropout=None), Recipe(2), "cross-entropy")
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_members_of_unlike_size_have_steps_of_their_own() -> None:
    sizes = (140, 100, 33, 5, 1)
    population = [Member(ROWS[:n], ROWS[140:], seed=n) for n in sizes]
    together = train(population, Recipe(3, batch_size=32))
    for k, member in enumerate(population):
        assert equal(weights(train([member], Recipe(3, batch_size=32)), 0), weights(together, k))


def test_a_step_is_that_of_a_plain_loop() -> None:
    """Two epochs of AdamW by hand on the batches the engine drew."""
    (member,) = members(1, learning_rate=0.01, weight_decay=0.3)
    recipe = Recipe(2, batch_size=50)
    population = train([Member(member.train, ROWS[:0], seed=0, learning_rate=0.01, weight_decay=0.3)], recipe)
    network = small_network(member)
    decayed = [p for p in network.parameters() if p.dim() >= 2]
    groups = [{"params": decayed, "weight_decay": 0.3}, {"params": [p for p in network.parameters() if p.dim() < 2]}]
    optimiser = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.0)
    for epoch in range(2):
        for rows in batches(member, recipe, epoch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(NUMBERS[rows]), CLASSES[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    for mine, theirs in zip(weights(population, 0), network.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def batches(member: Member, recipe: Recipe, epoch: int) -> list[Tensor]:
    from annvil.training.loop.batches import BatchShape, Layouts

    layouts = Layouts([member], BatchShape.of(member, recipe), None)
    order = layouts.order(epoch)
    kept = layouts.weights(order) > 0
    return [rows[real].long() for rows, real in zip(order[:, 0], kept[:, 0], strict=True)]


def test_the_best_epoch_is_kept_and_patience_ends_a_member() -> None:
    population = train(members(3, learning_rate=0.1), Recipe(200, batch_size=32, patience=5))
    for k, state in enumerate(population.states):
        losses = population.histories[k]["validation_loss"]
        best = len(losses) - int(np.argmin(losses[::-1]))
        assert population.best_epochs[k] == best
        assert population.validation_loss[k] == min(losses)
        assert state == f"stopped early at epoch {best + 5}"
        assert len(losses) == best + 5
    judged = nn.functional.cross_entropy(population.network(0)(NUMBERS[140:]), CLASSES[140:]).item()
    assert judged == pytest.approx(population.validation_loss[0], rel=1e-5)


def test_of_equally_good_epochs_the_last_is_kept() -> None:
    population = train(members(2, learning_rate=0.0), Recipe(4))
    assert population.best_epochs.tolist() == [4, 4]


def test_those_that_go_on_when_others_have_stopped_are_not_changed_by_it() -> None:
    # The three that diverge leave at once, so that the other one is packed anew.
    slow = members(1, learning_rate=0.003)
    fast = [Member(ROWS[:140], ROWS[140:], seed=9 + k, learning_rate=1e30) for k in range(3)]
    alone = train(slow, Recipe(6, batch_size=32), make=exploding_network)
    together = train(slow + fast, Recipe(6, batch_size=32), make=exploding_network)
    assert [state[:8] for state in together.states] == ["finished", "diverged", "diverged", "diverged"]
    for mine, theirs in zip(weights(alone, 0), weights(together, 0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_a_member_that_diverges_is_named_and_its_neighbours_are_unharmed_to_the_bit() -> None:
    poisoned = NUMBERS.clone()
    poisoned[7] = 1e30  # finite, but nobody else's row
    population = [Member(ROWS[10:140], ROWS[140:], seed=k) for k in range(3)]
    sick = Member(ROWS[:130], ROWS[140:], seed=3)
    made = [*population, sick]
    seen: list[Progress] = []
    result = train_population(
        exploding_network, (poisoned,), CLASSES, made, Recipe(4), "cross-entropy", tell=seen.append
    )
    assert result.states[3] == ("diverged at epoch 1: the training loss is not finite; it keeps its initial weights")
    assert result.states[:3] == ("finished",) * 3
    assert seen[0].active == 3
    assert np.isnan(seen[1].train_loss[3])
    assert np.isfinite(seen[1].train_loss[:3]).all()
    again = train_population(exploding_network, (NUMBERS,), CLASSES, [*population, sick], Recipe(4), "cross-entropy")
    assert all(equal(weights(result, k), weights(again, k)) for k in range(3))
    assert equal(weights(result, 3), list(exploding_network(sick).state_dict().values()))


def exploding_network(member: Member) -> nn.Module:
    return seeded(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), Square(), nn.Linear(8, 3)), member.seed)


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def test_halving_removes_the_worse_candidates_of_each_race() -> None:
    rates = {0: 1e-6, 1: 1e-2, 2: 1e-5, 3: 2e-2}
    population = [
        Member(ROWS[:140], ROWS[140:], seed=seed, learning_rate=rate, candidate=candidate, race=race)
        for race in ("a", "b")
        for candidate, rate in rates.items()
        for seed in range(2)
    ]
    result = train(population, Recipe(20, batch_size=32, halving=(0.2, 0.5)))
    states = {(m.race, m.candidate): state for m, state in zip(population, result.states, strict=True)}
    for race in ("a", "b"):
        assert states[race, 0] == states[race, 2] == "beaten at epoch 4"
        assert sorted(states[race, c] for c in (1, 3)) == ["beaten at epoch 10", "finished"]
    lengths = [len(history["train_loss"]) for history in result.histories]
    assert sorted(set(lengths)) == [4, 10, 20]


def test_after_the_last_epoch_nobody_is_beaten() -> None:
    population = [Member(ROWS[:140], ROWS[140:], seed=0, candidate=candidate, race="a") for candidate in range(2)]
    assert train(population, Recipe(1, halving=(0.5,))).states == ("finished", "finished")


def test_a_race_of_one_candidate_is_not_halved() -> None:
    assert train(members(2), Recipe(4, halving=(0.5,))).states == ("finished", "finished")


def test_stopping_between_epochs_returns_the_best_so_far() -> None:
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) == 3

    result = train(members(2), Recipe(50), should_stop=should_stop)
    assert result.cut_short
    assert result.states == ("stopped at epoch 3",) * 2
    assert len(result.histories[0]["train_loss"]) == 3


def test_stopping_within_the_first_epoch_validates_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annvil.training.loop.workers.ROUND_WORK", 1.0)
    calls = iter(range(1000))
    result = train(members(2), Recipe(50, batch_size=8), should_stop=lambda: next(calls) == 10)
    assert result.cut_short
    assert result.states == ("stopped at epoch 0",) * 2
    assert result.best_epochs.tolist() == [0, 0]
    assert np.isfinite(result.validation_loss).all()
    assert not equal(weights(result, 0), list(small_network(members(1)[0]).state_dict().values()))


def test_without_validation_rows_the_last_epoch_is_kept() -> None:
    population = [Member(ROWS, ROWS[:0], seed=0), *members(1)]
    result = train(population, Recipe(5, patience=1))
    assert result.best_epochs[0] == 5
    assert np.isnan(result.validation_loss[0])
    assert np.isfinite(result.validation_loss[1])


def test_row_weights_act_like_repeated_rows() -> None:
    """One full batch: doubling a row's weight is the same as having the row twice."""
    weight = torch.ones(200)
    weight[:20] = 2
    twice = np.concatenate([ROWS[:140], ROWS[:20]])
    none = ROWS[:0]
    settings = {"batch_size": 200, "optimizer": "sgd"}
    weighted = train([Member(ROWS[:140], none, seed=0, learning_rate=0.1)], Recipe(3, **settings), weights=weight)  # type: ignore[arg-type]
    repeated = train([Member(twice, none, seed=0, learning_rate=0.1)], Recipe(3, **settings))  # type: ignore[arg-type]
    for mine, theirs in zip(weights(weighted, 0), weights(repeated, 0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_a_loss_of_ones_own() -> None:
    targets = torch.stack([NUMBERS[:, 0], NUMBERS[:, 1] ** 2, NUMBERS[:, 2]], 1)

    def absolute(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return ((output - target).abs().mean(1) * weight).sum()

    population = members(2, learning_rate=0.02)
    own = train_population(small_network, (NUMBERS,), targets, population, Recipe(30, batch_size=32), absolute)
    judged = (own.network(1)(NUMBERS[140:]) - targets[140:]).abs().mean().item()
    assert judged == pytest.approx(own.validation_loss[1], rel=1e-5)
    assert judged < 0.5


def test_squared_error_with_one_axis_of_targets() -> None:
    def make(member: Member) -> nn.Module:
        return seeded(nn.Linear(6, 1), member.seed)

    target = NUMBERS @ torch.arange(6.0) + 1
    recipe = Recipe(60, batch_size=20, schedule="cosine")
    result = train_population(make, (NUMBERS,), target, members(2, learning_rate=0.3), recipe, "squared-error")
    assert (result.validation_loss < 1e-3).all()
    assert result.predict((NUMBERS,)).shape == (2, 200, 1)


def test_predictions_one_by_one_for_rows_of_each_members_own() -> None:
    def make(member: Member) -> nn.Module:
        layers = (nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
        return seeded(nn.Sequential(*layers), member.seed)

    result = train(members(3, learning_rate=0.05), Recipe(20), make=make)
    assert result.choices["execution"] == "recorded, one by one"
    assert result.choices["packs"] == 3
    assert (result.validation_loss < 1).all()
    assert result.predict((NUMBERS,), rows=np.stack([ROWS[:3], ROWS[3:6], ROWS[6:9]])).shape == (3, 3, 3)


def test_predictions_for_rows_of_each_members_own() -> None:
    result = train(members(3), Recipe(1))
    own = np.stack([ROWS[:5], ROWS[5:10], ROWS[10:15]])
    outputs = result.predict((NUMBERS,), rows=own)
    for k in range(3):
        torch.testing.assert_close(outputs[k], result.predict((NUMBERS,), rows=own[k], members=[k])[0])
        torch.testing.assert_close(outputs[k], result.network(k)(NUMBERS[own[k]]).detach())


def test_in_bfloat16_large_products_are_rounded_and_the_rest_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(400, 200, generator=generator)
    target = numbers[:, :3].sum(1)

    def make(member: Member) -> nn.Module:
        return seeded(nn.Sequential(nn.Linear(200, 192), nn.ReLU(), nn.Linear(192, 1)), member.seed)

    population = [Member(np.arange(256), np.arange(256, 400), seed=0)]
    results = {
        precision: train_population(
            make,
            (numbers,),
            target,
            population,
            Recipe(3, precision=precision),
            "squared-error",  # type: ignore[arg-type]
        )
        for precision in ("float32", "bfloat16")
    }
    exact, rounded = (results[name].histories[0]["train_loss"] for name in ("float32", "bfloat16"))
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.02)
    assert results["bfloat16"].choices["precision"] == "bfloat16"
    assert results["bfloat16"].network(0).state_dict()["0.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": (NUMBERS[:5],)}, "inputs\\[0\\] has 5 rows, the targets have 200"),
        ({"inputs": (NUMBERS[:, :4],)}, "Sequential cannot take inputs of shapes \\(2, 4\\)"),
        ({"members": []}, "at least one member"),
        ({"members": [Member(ROWS[:0], ROWS, seed=0)]}, "Member 0 has no training rows"),
        ({"members": [Member(np.array([200]), ROWS, seed=0)]}, "training rows must lie between 0 and 199"),
        ({"members": [Member(ROWS, ROWS, seed=0, dropout=1.0)]}, "dropout must be at least 0 and below 1; got 1.0"),
        ({"loss": "hinge"}, "loss must be 'cross-entropy', .* or a function; got 'hinge'"),
        ({"loss": lambda output, target, weight: output.sum(1)}, "must return one number.*got shape \\(2,\\)"),
        ({"targets": CLASSES.float()}, "whole class numbers of shape \\(rows,\\) for .*; got torch.float32"),
        ({"weights": -torch.ones(200)}, "weights must be 200 finite numbers of at least 0"),
        ({"make": lambda member: nn.ReLU()}, "ReLU has no parameters"),
        (
            {"make": lambda member: nn.Sequential(nn.Linear(6, 3 + member.seed))},
            "'0.bias' of member 1 has shape \\(4,\\)",
        ),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(change: dict[str, object], message: str) -> None:
    request: dict[str, object] = {
        "make": small_network,
        "inputs": (NUMBERS,),
        "targets": CLASSES,
        "members": members(2),
    }
    request |= {"loss": "cross-entropy", "weights": None} | change
    with pytest.raises(RequestError, match=message):
        train_population(
            request["make"],
            request["inputs"],
            request["targets"],
            request["members"],
            Recipe(1),
            request["loss"],  # type: ignore[arg-type]
            weights=request["weights"],  # type: ignore[arg-type]
        )


def test_bad_data_are_refused_with_their_rows() -> None:
    holes = NUMBERS.clone()
    holes[[3, 9], 1] = torch.nan
    with pytest.raises(DataError, match=r"inputs\[0\] is missing or infinite in rows 4 and 10"):
        train_population(small_network, (holes,), CLASSES, members(1), Recipe(1), "cross-entropy")
    with pytest.raises(DataError, match=r"between 0 and 2, since .* row 2 hold others, such as 7"):
        train_population(
            small_network,
            (NUMBERS,),
            CLASSES.index_fill(0, torch.tensor([1]), 7),
            members(1),
            Recipe(1),
            "cross-entropy",
        )
    infinite = torch.full((200, 3), 1.0)
    infinite[0, 0] = torch.inf
    with pytest.raises(DataError, match="targets of row 1 are missing or infinite"):
        train_population(small_network, (NUMBERS,), infinite, members(1), Recipe(1), "squared-error")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"epochs": 1, "schedule": "linear"}, "schedule must be 'constant' or"),
        ({"epochs": 1, "halving": (1.5,)}, "halving must be shares"),
        ({"epochs": 1, "threads": 0}, "threads must be 'auto'"),
        ({"epochs": 1, "precision": "float16"}, "precision must be 'auto'"),
    ],
)
def test_a_recipe_is_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Recipe(**settings)  # type: ignore[arg-type]
