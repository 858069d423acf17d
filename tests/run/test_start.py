"""What a fit loads before its first model stands: the shortest budgets have no time for more."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, sys
import numpy as np
import annvil

class Stands(Exception):
    pass

class Told:
    def standings(self, standings, spent):
        if any(one.means and one.family != "dummy" for one in standings):
            raise Stands
    def __getattr__(self, name):
        return lambda *arguments, **named: None

random = np.random.default_rng(0)
n = 150
frame = {
    "age": random.normal(50, 10, n), "height": random.normal(size=n),
    "city": random.choice(["Ulm", "Bonn", "Rome"], n), "member": random.choice(["yes", "no"], n),
}
frame["height"][:20] = np.nan
score = frame["age"] / 10 + random.normal(size=n)
for target in (score, np.where(score > 5, "up", "down"), np.digitize(score, [4, 6]).astype(str)):
    try:
        annvil.fit({**frame, "target": target}, target="target", budget="1m", out=sys.argv[1], listener=Told())
    except Stands:
        print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_the_first_simple_model_stands_before_libraries_of_learning_are_loaded(tmp_path):
    done = subprocess.run([sys.executable, "-c", CODE, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    of_number, of_two, of_three = map(json.loads, done.stdout.splitlines())
    for loaded in (of_number, of_two, of_three):
        heavy = {"torch", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "joblib"}
        assert not heavy & set(loaded), heavy & set(loaded)
        assert "onnxruntime" in loaded  # its price was measured
