"""One classifier of aeon on one set of series: ``series.py TOOL SET SEED``; prints a line of JSON.

Runs in an environment with aeon (``hydra`` and ``rocket-hydra`` need PyTorch there too), nothing of Annvil: aeon pins
versions that do not live beside ours. Everything at its defaults, which are the papers'; two threads where it takes a
number.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

from series_data import loaded


def classifier(tool: str, seed: int) -> Any:
    """The estimator of that name."""
    from aeon.classification import convolution_based, distance_based, feature_based

    if tool == "minirocket":
        return convolution_based.MiniRocketClassifier(random_state=seed, n_jobs=2)
    if tool == "hydra":
        return convolution_based.HydraClassifier(random_state=seed, n_jobs=2)
    if tool == "rocket-hydra":
        return convolution_based.MultiRocketHydraClassifier(random_state=seed, n_jobs=2)
    if tool == "catch22-trees":
        return feature_based.Catch22Classifier(random_state=seed, n_jobs=2)
    return distance_based.KNeighborsTimeSeriesClassifier(distance="dtw", distance_params={"window": 0.1}, n_jobs=2)


def main() -> None:
    """Fit, predict, print. Compiling (numba) is part of the seconds, as it is for a user."""
    warnings.simplefilter("ignore")
    tool, name, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = loaded(name)
    (train, labels), (test, truth) = data["train"], data["test"]
    started = time.perf_counter()
    model = classifier(tool, seed).fit(train.astype("float64"), labels)
    accuracy = float((model.predict(test.astype("float64")) == truth).mean())
    print(json.dumps({"accuracy": accuracy, "seconds": time.perf_counter() - started, "what": type(model).__name__}))


if __name__ == "__main__":
    main()
