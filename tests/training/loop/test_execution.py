"""Networks of every kind train as a plain loop of PyTorch trains them, on the execution that fits them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.checkpoint
from tests.training.helpers import equal, seeded, weights
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training import Member, Population, Recipe, train_population
from annvil.training.loop.batches import BatchShape, Layouts

GENERATOR = torch.Generator().manual_seed(3)
N = 150
TABLE = torch.randn(N, 6, generator=GENERATOR)
CLASSES = (TABLE[:, 0] + TABLE[:, 1] > 0).long() + (TABLE[:, 3] > 0.5).long()
IMAGES = torch.randn(N, 2, 8, 8, generator=GENERATOR) + CLASSES.view(-1, 1, 1, 1) * 0.5
WORDS = torch.randint(0, 11, (N, 7), generator=GENERATOR)
SERIES = torch.randn(N, 7, 5, generator=GENERATOR)
ROWS = np.arange(N)
RECORDED, ALONE, EAGER = "recorded", "recorded, one by one", "eager"


class Normalised(nn.Module):
    """Batch norm after each of two layers.

    What stands before batch norm has no bias: its gradient would be nothing but rounding, and Adam makes steps of full
    size of that.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 8, bias=False),
            nn.BatchNorm1d(8, **settings),
            nn.ReLU(),
            nn.Linear(8, 8, bias=False),
            nn.BatchNorm1d(8),
            nn.Tanh(),
        )
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layers(x))  # type: ignore[no-any-return]


class Words(nn.Module):
    """Embeddings, averaged, and the same table as the last layer's weights."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8, **settings)
        self.hidden, self.out = nn.Linear(8, 8), nn.Linear(8, 11, bias=False)
        self.out.weight = self.table.weight

    def forward(self, words: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(self.table(words).mean(1))))[:, :3]  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM, **settings: Any) -> None:
        super().__init__()
        self.recurrent = kind(5, 6, batch_first=True, **settings)  # type: ignore[arg-type]
        self.out = nn.Linear(12 if self.recurrent.bidirectional else 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.recurrent(x)[0][:, -1])  # type: ignore[no-any-return]


class Attentive(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.into = nn.Linear(5, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True)
        self.attention, self.out = nn.MultiheadAttention(8, 2, dropout, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(self.into(x))
        return self.out(self.attention(x, x, x)[0].mean(1))  # type: ignore[no-any-return]


class Masked(nn.Module):
    """No word sees later ones, nor the word 0: some see nothing at all."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
        self.table, self.out = nn.Embedding(11, 8, padding_idx=0), nn.Linear(8, 3)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8), enable_nested_tensor=False)

    def forward(self, words: Tensor) -> Tensor:
        later = torch.ones(7, 7, dtype=torch.bool).triu(1)
        hidden = self.layers(self.table(words), mask=later, src_key_padding_mask=words == 0)
        return self.out(hidden.mean(1))  # type: ignore[no-any-return]


class Checkpointed(nn.Module):
    """Computes its hidden units again when gradients go back."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.hidden, self.out = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(rate)), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.utils.checkpoint.checkpoint(self.hidden, x, use_reentrant=False))  # type: ignore[no-any-return]


class Counting(nn.Module):
    """Counts its steps in three ways, one of them by a buffer that it replaces; the count is part of the output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rows", torch.zeros(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            self.replaced = self.replaced + 2
            self.rows[1, 1:] += 3
        return self.layer(x) + 0.001 * (self.steps + self.replaced + self.rows.sum())  # type: ignore[no-any-return]


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else self.other(x)  # type: ignore[no-any-return]


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.out = nn.Linear(6, 8), nn.Linear(8, 3)
        self.frozen.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.frozen(x)))  # type: ignore[no-any-return]


class Filling(nn.Module):
    """Writes its hidden units into memory of its own making, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.Linear(6, 4), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x.new_zeros(len(x), 8)
        hidden[:, :4] = torch.tanh(self.layer(x))
        hidden[:, 4:] = 2 * hidden[:, :4] + 1
        return self.out(hidden)  # type: ignore[no-any-return]


def convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor, str]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), TABLE, RECORDED),
    "batch norm": (Normalised, TABLE, RECORDED),
    "batch norm without statistics": (lambda: Normalised(track_running_stats=False), TABLE, RECORDED),
    "batch norm with a mean over all steps": (lambda: Normalised(momentum=None), TABLE, EAGER),
    "convolution": (convolution, IMAGES, ALONE),
    "embedding, tied weights": (Words, WORDS, RECORDED),
    "sparse embedding": (lambda: nn.Sequential(nn.EmbeddingBag(11, 3, sparse=True)), WORDS, EAGER),
    "lstm": (Recurrent, SERIES, ALONE),
    "gru": (lambda: Recurrent(nn.GRU), SERIES, RECORDED),
    "gru, two layers, both ways, no biases": (
        lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True, bias=False),
        SERIES,
        RECORDED,
    ),
    "plain recurrent": (lambda: Recurrent(nn.RNN), SERIES, RECORDED),
    "attention": (Attentive, SERIES, RECORDED),
    "masked": (Masked, WORDS, RECORDED),
    "checkpointed": (Checkpointed, TABLE, EAGER),
    "counting": (Counting, TABLE, RECORDED),
    "deciding": (Deciding, TABLE, EAGER),
    "frozen": (Frozen, TABLE, RECORDED),
    "filling": (Filling, TABLE, RECORDED),
}


def make(name: str) -> Callable[[Member], nn.Module]:
    def made(member: Member) -> nn.Module:
        return seeded(NETWORKS[name][0](), member.seed)

    return made


def train(name: str, members: list[Member], recipe: Recipe, **more: Any) -> Population:
    make_network = more.pop("make", None) or make(name)
    inputs = NETWORKS[name][1]
    loss = more.pop("loss", "cross-entropy")
    return train_population(make_network, (inputs,), CLASSES, members, recipe, loss, **more)


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.0),
}


def plain_losses(network: nn.Module, inputs: Tensor, optimizer: str, rows: list[Tensor]) -> list[float]:
    """The losses of a loop of PyTorch over these batches."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.EmbeddingBag):
            module.sparse = False  # Adam refuses sparse gradients
    optimiser = OPTIMIZERS[optimizer]([p for p in network.parameters() if p.requires_grad])
    losses = []
    for batch in rows:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(inputs[batch]), CLASSES[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return losses


FIFTY = [
    *((name, "adamw", "auto") for name in NETWORKS),
    *((name, "adamw", EAGER) for name, (_, _, usual) in NETWORKS.items() if usual != EAGER),
    *(
        (name, kind, "auto")
        for name in ("dense", "batch norm", "convolution", "sparse embedding")
        for kind in OPTIMIZERS
    ),
]


@pytest.mark.parametrize(("name", "optimizer", "execution"), sorted(set(FIFTY)))
def test_fifty_steps_are_those_of_a_plain_loop(name: str, optimizer: str, execution: str) -> None:
    """Every epoch is one step, on all rows in order: the loss of epoch i is that of step i."""
    settings: dict[str, Any] = {"batches": "exact", "shuffle": False, "execution": execution}
    member = Member(ROWS[:40], ROWS[:0], 0, 0.05 if optimizer == "sgd" else 0.01, dropout=None)
    result = train(name, [member], Recipe(50, batch_size=40, optimizer=optimizer, **settings))  # type: ignore[arg-type]
    expected = plain_losses(make(name)(member), NETWORKS[name][1], optimizer, [torch.arange(40)] * 50)
    np.testing.assert_allclose(result.histories[0]["train_loss"], expected, rtol=1e-5)
    assert result.choices["execution"] == (NETWORKS[name][2] if execution == "auto" else EAGER)


@pytest.mark.parametrize("execution", ["auto", "eager"])
@pytest.mark.parametrize("name", ["dense", "batch norm", "convolution", "embedding, tied weights", "counting", "lstm"])
def test_weights_and_buffers_are_those_of_a_data_loader(name: str, execution: str) -> None:
    """Batches of 32 and a last one of 22, three epochs."""
    settings: dict[str, Any] = {"batches": "exact", "shuffle": False, "execution": execution}
    recipe = Recipe(3, batch_size=32, optimizer="sgd", **settings)
    member = Member(ROWS, ROWS[:0], 0, 0.05, dropout=None)
    result = train(name, [member], recipe)
    network = make(name)(member)
    data = torch.utils.data.TensorDataset(torch.arange(N))
    batches = [rows for (rows,) in torch.utils.data.DataLoader(data, batch_size=32)]
    losses = np.array(plain_losses(network, NETWORKS[name][1], "sgd", batches * 3)).reshape(3, -1)
    sizes = np.array([len(rows) for rows in batches])
    np.testing.assert_allclose(result.histories[0]["train_loss"], (losses * sizes).sum(1) / N, rtol=1e-5)
    for (path, mine), theirs in zip(result.network(0).state_dict().items(), network.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5, msg=path)


@pytest.mark.parametrize("name", ["batch norm", "attention", "counting", "gru", "convolution", "deciding"])
def test_members_together_give_what_each_gives_alone(name: str) -> None:
    recipe = Recipe(3, batch_size=32, optimizer="sgd")
    together = [Member(ROWS[: 100 - k], ROWS[110:], k, 0.02 * (k + 1), dropout=None) for k in range(3)]
    population = train(name, together, recipe)
    for k, member in enumerate(together):
        alone = train(name, [member], recipe)
        for mine, theirs in zip(weights(alone, 0), weights(population, k), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-5)
        assert alone.validation_loss[0] == pytest.approx(population.validation_loss[k], abs=1e-5)


@pytest.mark.parametrize("name", ["batch norm", "convolution", "counting", "deciding"])
def test_what_is_kept_is_the_best_epochs_weights_and_buffers(name: str) -> None:
    """Rates so large that the best epoch is not the last; the members stop at different times, so packs change."""
    members = [Member(ROWS[:60], ROWS[60:], k, 0.1 * (1 + k), dropout=None) for k in range(4)]
    result = train(name, members, Recipe(12, batch_size=16, patience=3))
    assert len(set(result.best_epochs)) > 1
    assert min(result.best_epochs) < 12
    for k in range(4):
        outputs = result.network(k)(NETWORKS[name][1][60:])
        loss = nn.functional.cross_entropy(outputs, CLASSES[60:]).item()
        assert loss == pytest.approx(result.validation_loss[k], rel=1e-4)
        torch.testing.assert_close(
            result.predict((NETWORKS[name][1],), ROWS[60:], [k])[0], outputs, rtol=1e-4, atol=1e-5
        )


def test_batch_norm_does_not_see_padding() -> None:
    """100 rows at 32: four steps of 25 without padding, as the choices say."""
    member = Member(ROWS[:100], ROWS[100:], 0, 0.01, dropout=None)
    result = train("batch norm", [member], Recipe(2, batch_size=32))
    assert result.choices["batches"] == "unpadded"
    assert "batch norm" in result.choices["batches_because"]
    recipe = Recipe(2, batch_size=32, batches="unpadded")
    layouts = Layouts([member], BatchShape.of(member, recipe), None)
    rows = [step[0].long() for epoch in range(2) for step in layouts.order(epoch)]
    losses = plain_losses(make("batch norm")(member), TABLE, "adamw", rows)
    np.testing.assert_allclose(np.mean(losses[4:]), result.histories[0]["train_loss"][1], rtol=1e-5)


def test_who_mixes_rows_is_seen_on_all_rows_not_on_the_first_members() -> None:
    class Centred(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input - input.mean(0))

    inputs = TABLE.clone()
    inputs[:20] = inputs[0]  # the first member's rows are all the same: they do not give the network away
    members = [Member(ROWS[:20], ROWS[:0], 0), Member(ROWS[20:], ROWS[:0], 1)]
    result = train_population(lambda m: Centred(6, 3), (inputs,), CLASSES, members, Recipe(1), "cross-entropy")
    assert result.choices["batches"] == "unpadded"


def test_networks_without_companions_keep_padding() -> None:
    result = train("attention", [Member(ROWS[:100], ROWS[100:], 0, dropout=None)], Recipe(1, batch_size=32))
    assert "batches" not in result.choices


def test_a_diverging_member_leaves_its_neighbours_alone() -> None:
    for name in ("batch norm", "counting"):
        healthy = [Member(ROWS[:100], ROWS[100:], k, 0.01, dropout=None) for k in range(3)]
        sick = Member(ROWS[:100], ROWS[100:], 9, 1e38, dropout=None)
        other = Member(ROWS[:100], ROWS[100:], 9, 0.02, dropout=None)
        with_sick = train(name, [*healthy, sick], Recipe(4, batch_size=32))
        with_other = train(name, [*healthy, other], Recipe(4, batch_size=32))
        assert with_sick.states[3].startswith("diverged")
        assert all(equal(weights(with_sick, k), weights(with_other, k)) for k in range(3))


class Printing(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        print("computing")
        return super().forward(input)


class Noting(nn.Linear):
    used = 0

    def forward(self, input: Tensor) -> Tensor:
        self.used += 1
        return super().forward(input) * self.used**0.01


class Gambling(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * (1 + 0.1 * random.random())


class Numbering(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * float(input.detach().numpy().mean())


class OwnNoise(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + 0.1 * torch.randn(len(input), 3)


WATCHED: dict[str, tuple[type[nn.Linear], str, str]] = {
    "printing": (Printing, EAGER, "it prints while it computes"),
    "noting": (Noting, EAGER, "it changes its own attribute used while it computes"),
    "gambling": (Gambling, EAGER, "it draws random numbers from Python or NumPy"),
    "numbering": (Numbering, EAGER, "it reads values while it computes (Tensor.numpy)"),
    "own noise": (OwnNoise, ALONE, "it draws random numbers, from a generator that members cannot share"),
}


@pytest.mark.parametrize("name", list(WATCHED))
def test_networks_with_a_life_of_their_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind, execution, because = WATCHED[name]
    before = torch.random.get_rng_state(), random.getstate()

    def made(member: Member) -> nn.Module:
        with torch.random.fork_rng():  # PyTorch's own initial weights are drawn from the generator that is watched
            return seeded(kind(6, 3), member.seed)

    members = [Member(ROWS[:100], ROWS[100:], k, 0.05, dropout=None) for k in range(3)]
    result = train("dense", members, Recipe(5, batch_size=32), make=made)
    assert (result.choices["execution"], result.choices["execution_because"][: len(because)]) == (execution, because)
    assert result.histories[0]["train_loss"][-1] < result.histories[0]["train_loss"][0]
    again = train("dense", members, Recipe(5, batch_size=32, threads=2), make=made)
    alone = train("dense", members[2:], Recipe(5, batch_size=32), make=made)
    assert all(equal(weights(result, k), weights(again, k)) for k in range(3))
    assert equal(weights(result, 2), weights(alone, 0))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == random.getstate()
    assert bool(capsys.readouterr().out) == (name == "printing")


def test_a_road_that_is_asked_for_and_cannot_be_had() -> None:
    member = Member(ROWS, ROWS[:0], 0, dropout=None)
    with pytest.raises(RequestError, match=r"Deciding cannot be recorded: it reads values .*; use execution='auto'"):
        train("deciding", [member], Recipe(1, execution="recorded"))


class Renormalising(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return torch.renorm(super().forward(input), 2, 0, 3.0)  # which PyTorch cannot batch over members


def test_what_cannot_be_vmapped_is_recorded_one_by_one() -> None:
    members = [Member(ROWS[:100], ROWS[100:], k, 0.05) for k in range(2)]
    found = train("dense", members, Recipe(3, 32), make=lambda member: seeded(Renormalising(6, 3), member.seed))
    assert found.choices["execution"] == ALONE
    assert found.choices["execution_because"].startswith("it cannot be vmapped: aten::renorm")
    alone = train("dense", members[1:], Recipe(3, 32), make=lambda member: seeded(Renormalising(6, 3), member.seed))
    assert equal(weights(found, 1), weights(alone, 0))


def test_a_mistake_of_the_recorder_is_not_taken_for_the_network_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise KeyError("of the recorder")

    monkeypatch.setattr("annvil.training.loop.job.record", broken)
    members = [Member(ROWS[:100], ROWS[100:], 0)]
    with pytest.raises(KeyError, match="of the recorder") as caught:
        train("dense", members, Recipe(1, 32))
    assert caught.value.__notes__ == ["Sequential could not be recorded; execution='eager' trains it without."]
    assert train("dense", members, Recipe(1, 32, execution="eager")).choices["execution"] == EAGER


def test_a_last_batch_of_one_row_is_refused_where_it_cannot_be_trained() -> None:
    member = Member(ROWS[:33], ROWS[:0], 0, dropout=None)
    with pytest.raises(
        RequestError, match=r"on a batch of 1 row: .* last batch of member 0 .* choose another batch_si"
    ):
        train("batch norm", [member], Recipe(1, batch_size=32, batches="exact"))
    assert train("batch norm", [member], Recipe(1, batch_size=32)).states == ("finished",)
    assert train("dense", [member], Recipe(1, batch_size=32, batches="exact")).states == ("finished",)


def test_what_is_computed_again_meets_the_same_noise() -> None:
    """With dropout, activation checkpointing is the same network without it."""

    def plainly(member: Member) -> nn.Module:
        network = Checkpointed(0.4)
        return seeded(nn.Sequential(*network.hidden, network.out), member.seed)

    members = [Member(ROWS[:100], ROWS[100:], 0, 0.05)]
    recipe = Recipe(4, batch_size=32, optimizer="sgd", batches="unpadded")
    again = train("dense", members, recipe, make=lambda member: seeded(Checkpointed(0.4), member.seed))
    assert again.choices["execution_because"].startswith("it computes again while gradients go back")
    for mine, theirs in zip(weights(again, 0), weights(train("dense", members, recipe, make=plainly), 0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_masks_that_hide_everything_are_no_nan_in_validation() -> None:
    for execution in ("auto", "eager"):
        result = train("masked", [Member(ROWS[:40], ROWS[40:], 0)], Recipe(1, execution=execution))  # type: ignore[arg-type]
        assert np.isfinite(result.validation_loss[0])
        assert torch.isfinite(result.predict((WORDS,))).all()


def test_a_loss_that_nothing_flows_back_from() -> None:
    class Rounding(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input).detach().requires_grad_(False)

    with pytest.raises(RequestError, match="does not follow from the network's weights"):
        train("dense", [Member(ROWS, ROWS[:0], 0)], Recipe(1), make=lambda member: Rounding(6, 3))


class TwoInputs(nn.Module):
    """Two layers side by side that get the same gradient, seen through one transposition."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 3), nn.Linear(4, 3)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        return self.left(u) + self.right(v)  # type: ignore[no-any-return]


def test_layers_that_share_a_gradient_are_batched_over_members() -> None:
    u, v = TABLE[:, :3].contiguous(), TABLE[:, 2:].contiguous()
    recipe = Recipe(3, 32, precision="float32")
    members = [Member(ROWS, ROWS[:0], seed) for seed in range(2)]
    found = train_population(lambda m: seeded(TwoInputs(), m.seed), (u, v), CLASSES, members, recipe, "cross-entropy")
    assert found.choices["execution"] == RECORDED
    alone = Recipe(3, 32, precision="float32", execution="eager")
    other = train_population(lambda m: seeded(TwoInputs(), m.seed), (u, v), CLASSES, members, alone, "cross-entropy")
    for one, two in zip(found.histories, other.histories, strict=True):
        assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-5)
