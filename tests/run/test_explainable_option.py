"""``--explainable``: only whose models a person can read competes, whatever the data are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from annvil.errors import RequestError
from annvil.kinds.base import Kind
from annvil.kinds.registry import kinds
from annvil.run.stages import _contenders


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_only_the_readable_compete_or_the_fit_is_refused(kind: Kind) -> None:
    tiny = next(iter(kind.tiny().values()), None)
    if tiny is None:
        pytest.skip("no small data")
    asked = SimpleNamespace(asked=SimpleNamespace(explainable=True))
    work: Any = SimpleNamespace(kind=kind, dataset=tiny.dataset, options=None, loaded=None, request=asked)
    everybody = kind.contenders(tiny.dataset)
    readable = [one.name for one in everybody if one.traits.explainable]
    if readable:
        assert [one.name for one in _contenders(work)] == [everybody[0].name, *readable]
    else:
        with pytest.raises(RequestError, match=f"No model for {kind.words.data[0]} can be read by a person"):
            _contenders(work)
