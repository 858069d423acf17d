"""Whatever a network does while it computes, training gives what a plain loop of PyTorch gives, on every execution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.trainer.unusual import CLASSES, KINDS, ROWS, alike, lazy, plain, trained


@pytest.mark.parametrize("execution", ["auto", "eager"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_losses_and_the_network_are_those_of_a_plain_loop(kind: str, execution: str) -> None:
    make, inputs = KINDS[kind]
    mine, theirs = alike(make)
    expected = plain(theirs, inputs, 4, 16)
    result = trained(mine, inputs, execution=execution)
    np.testing.assert_allclose(result.history["loss"], expected, rtol=1e-4, err_msg=result.execution)
    for (name, one), other in zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5, msg=f"{name}, {result.execution}")


@pytest.mark.parametrize("kind", list(KINDS))
def test_members_are_what_they_are_alone(kind: str) -> None:
    make, inputs = KINDS[kind]
    more = {"validation": (inputs if len(inputs) > 1 else inputs[0], CLASSES), "epochs": 2}
    several = trained(make, inputs, members=2, **more)
    for place, row in enumerate(several.table()):
        alone = trained(make, inputs, seed=row["seed"], **more)
        theirs = several[place].network.state_dict().values()
        for (name, one), other in zip(alone.network.state_dict().items(), theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5, msg=f"{name}, {several[place].execution}")


def test_lazy_layers_are_trained() -> None:
    assert trained(lazy, (ROWS,)).execution == "recorded"
    assert trained(lazy(), (ROWS,)).history["loss"][-1] < 1.2
