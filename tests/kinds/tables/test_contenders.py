"""Who competes, in which order, and what their names cost to know."""

from __future__ import annotations

import subprocess
import sys

from annvil.kinds.tables.contenders import contenders_for_tables


def test_the_dummy_is_first_and_names_are_unique():
    contenders = contenders_for_tables()
    names = [contender.name for contender in contenders]
    assert names[:6] == ["dummy", "linear", "spline-gam", "neighbours", "rule-tree", "boosted-trees"]
    assert len(set(names)) == len(names)
    assert all(contender.title for contender in contenders)
    assert [contender.family for contender in contenders[4:7]] == ["trees"] * 3
    assert {contender.family for contender in contenders[7:]} <= {"network"}


def test_knowing_them_loads_no_library_for_training():
    code = (
        "import sys; from annvil.kinds.tables.contenders import contenders_for_tables; contenders_for_tables();"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
