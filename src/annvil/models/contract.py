"""The one contract of all contenders.

A contender is one file and one line in its kind's `contenders`. The comparison gives it *jobs* (training rows with
inner validation splits) and an *effort* (how many candidates it may try; `annvil.models.jobs`), and receives one
`Fitted` per job (`annvil.models.members`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from annvil.data.dataset import Dataset
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.members import Fitted

Family = Literal["dummy", "linear", "trees", "neighbours", "generative", "network", "team"]
FAMILIES: tuple[Family, ...] = ("dummy", "linear", "trees", "neighbours", "generative", "network", "team")
"""The simpler first: contenders run in this order, so that there is an answer early, and of equals the first ships.

A team is made of the others (`annvil.models.team`)."""


@dataclass(frozen=True)
class Traits:
    """What a contender can do beside what all can; declared, so that nobody has to look for a method.

    Attributes
    ----------
    shares_fits_with : the contender whose fits this one only looks at again (an ensemble of its candidates); its time
        is then not charged twice
    climbs_to_ship : longer training of more rows only makes it better, so the fit to ship may stand higher on the
        ladder than what the folds scored, where there is time
    trains_together : the jobs of a call are one population, on whose size last bits may hang: they are made all or none
    bags : members of the inner folds are averaged, so that more of them make a better model
    weighs_rows : whether its fits look at `Job.weights`
    scales, weights_classes : whether it has that step of preparation, so that the ablation can take it away
    central : its side cannot lose before this one had its first training, and time for that is kept while others are
        tried: what people mean when they ask about that side on data of the kind
    explainable : a person can read its models: they are sums of few terms (`Member.additive`) or a few rules
    in_bfloat16 : the seconds of its ladder are those of a machine with units for products in bfloat16
    library : what takes seconds to import and its fits need, loaded before its first and charged to nobody; "": nothing
        (networks need PyTorch)
    """

    shares_fits_with: str | None = None
    climbs_to_ship: bool = False
    trains_together: bool = False
    bags: bool = False
    weighs_rows: bool = False
    scales: bool = False
    weights_classes: bool = False
    central: bool = False
    explainable: bool = False
    in_bfloat16: bool = False
    library: str = "sklearn.ensemble"


class Contender(Protocol):
    """A way to learn; see the module's text. `BaseContender` has what most need not say."""

    name: str  # registry key, such as "boosted-trees"
    title: str  # for people, such as "Boosted trees"
    family: Family

    @property
    def traits(self) -> Traits:
        """What it can do beside what all can."""

    def declines(self, shape: Shape) -> str | None:
        """Why this contender does not compete on such data (a sentence for the report), or None."""

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Growing efforts for jobs of that shape, the cheapest first; arithmetic only, no clock.

        The first is the least that is a fair trial of the method: nothing below it is ever judged. Costs grow by half
        at least from rung to rung, so that climbing costs little beside the top.
        """

    def fit(self, dataset: Dataset[Any], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One `Fitted` per job, in order, as each is ready.

        Stops early (fewer results) when ``context.seconds_left`` are over; never raises for running out of time.
        """


class BaseContender:
    """A contender without special traits, which never declines."""

    traits = Traits()

    def declines(self, shape: Shape) -> str | None:
        """Never."""
        return None
