"""The shared ensemble against k separate networks."""

from __future__ import annotations

import torch
from torch.nn import functional

from annvil.networks import SharedEnsemble


def test_each_member_is_the_network_that_its_factors_describe() -> None:
    generator = torch.Generator().manual_seed(0)
    network = SharedEnsemble(4, [], 3, generator, k=3, widths=(6, 5), dropout=None)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(7, 4, generator=generator)
    outputs = network(x, torch.zeros(7, 0).long())
    assert outputs.shape == (7, 3, 3)
    for i in range(3):
        h = x * network.first[i]
        for place, layer in enumerate(network.layers):
            h = h if place == 0 else h * layer.before[i]  # type: ignore[index]
            h = functional.relu((h @ layer.weight.T) * layer.after[i] + layer.bias[i])  # type: ignore[index, operator]
        torch.testing.assert_close(outputs[:, i], h @ network.head[i] + network.head_bias[i])


def test_it_begins_as_tabm_does() -> None:
    generator = torch.Generator().manual_seed(0)
    network = SharedEnsemble(40, [], 2, generator, k=8, widths=(6, 5))
    assert set(network.first.detach().flatten().tolist()) == {-1.0, 1.0}
    assert abs(network.first.mean().item()) < 0.2
    assert (network.layers[1].before == 1).all()  # type: ignore[union-attr, comparison-overlap, attr-defined]
    assert (network.layers[1].after == 1).all()  # type: ignore[union-attr, comparison-overlap, attr-defined]
    assert (network.layers[0].bias == network.layers[0].bias[0]).all()  # type: ignore[union-attr, index, attr-defined]


def test_mini_shares_all_but_the_first_factors_and_the_heads() -> None:
    generator = torch.Generator().manual_seed(0)
    network = SharedEnsemble(4, [], 2, generator, k=8, widths=(6, 5), mini=True)
    own = {name for name, value in network.named_parameters() if value.shape[0] == 8}
    assert own == {"first", "head", "head_bias"}


def test_biases_do_not_decay() -> None:
    network = SharedEnsemble(4, [3], 2, torch.Generator(), k=2, widths=(6,))
    decays = {name: decay for name, (_, decay) in network.parameter_groups().items()}
    assert [name for name, decay in decays.items() if decay == 0] == ["head_bias", "layers.0.bias"]
