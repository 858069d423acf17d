"""An average of the weights over training, which is often better than the last weights (Polyak and Juditsky 1992)."""

from __future__ import annotations

from torch import Tensor


class Average:
    """The moving average of flat ``parameters``; ``weights`` and ``count``, the updates in it, are its whole state.

    After n updates, the weights that are i updates old count in proportion to decay^i: the exponential moving average
    divided by what its start lacks, as Adam does with its moments (Kingma and Ba 2015, section 3). So the first weights
    have no more say than later ones, where `torch.optim.swa_utils` gives them decay^n of it. A decay of 1 is the plain
    mean.
    """

    def __init__(self, parameters: Tensor, decay: float) -> None:
        self._parameters, self._decay = parameters, decay
        self.weights = parameters.clone()
        self.count = 0

    def update(self) -> None:
        """Take the parameters as they are now into the average."""
        self.count += 1
        share = 1 / self.count if self._decay == 1 else (1 - self._decay) / (1 - self._decay**self.count)
        self.weights.lerp_(self._parameters, share)

    def settle(self) -> None:
        """Until something was averaged, the weights are the parameters themselves."""
        if self.count == 0:
            self.weights.copy_(self._parameters)
