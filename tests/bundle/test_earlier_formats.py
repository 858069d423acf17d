"""Models of every format that was ever written say what they said when they were written.

The files in ``data/`` were made by the version that wrote their format, which also said what stands beside them in
``format-1.json``: what came in, the arrays that reached the graph, labels and probabilities.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import PIL
import pytest
from PIL import Image

from annvil.bundle import load
from annvil.bundle.migrations import FORMAT_VERSION, migrated
from annvil.data.table import Field
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.tables.form import TableForm

DATA = Path(__file__).parent / "data"
SAID = json.loads((DATA / "format-1.json").read_text(encoding="utf-8"))


def says_the_same(model, rows, said):
    """What is fed, decided and said; pictures were resized by Pillow 13, and earlier ones round a grey level apart."""
    feeds = model.conform(rows).inputs.feeds()
    assert feeds.keys() == said["feeds"].keys()
    other_pillow = isinstance(model.form, PictureForm) and int(PIL.__version__.split(".")[0]) < 13
    for name, expected in said["feeds"].items():
        wanted = np.array(expected, dtype=feeds[name].dtype)
        if other_pillow:
            np.testing.assert_allclose(feeds[name].astype(int), wanted.astype(int), rtol=0, atol=1)
        else:
            np.testing.assert_array_equal(feeds[name], wanted)
    assert model.predict(rows).tolist() == said["labels"]
    tolerance = 1e-2 if other_pillow else 1e-12
    np.testing.assert_allclose(model.predict_proba(rows), said["probabilities"], rtol=0, atol=tolerance)


def test_a_table_of_format_1():
    model = load(DATA / "format-1-table.zip")
    assert model.form == TableForm(
        (
            Field("weight", "number", "comma percent"),
            Field("city", "category"),
            Field("member", "boolean"),
            Field("joined", "datetime", "day/month/year"),
        ),
        missing=("n/k",),
    )
    assert model.manifest.info.threshold == 0.4
    says_the_same(model, SAID["table"]["rows"], SAID["table"])


def test_pictures_of_format_1():
    model = load(DATA / "format-1-pictures.zip")
    assert model.form == PictureForm(6, 8, 3, "crop", 0.0, 1000.0)
    assert model.manifest.info.quantization == "Convolutions stay as they are."
    said = SAID["pictures"]
    # Its version took arrays of uint8 for 0 to 255 although the model learnt from 0 to 1000; in any type they now mean
    # what the model learnt from, and a picture of 8 bits comes as one.
    arrays = [np.array(one, dtype=dtype) for one, dtype in zip(said["pictures"], said["types"], strict=True)]
    says_the_same(model, [Image.fromarray(one) if one.dtype == np.uint8 else one for one in arrays], said)


def test_the_latest_format_is_what_saving_writes(tmp_path, example):
    manifest = json.loads((example.save(tmp_path / "model") / "manifest.json").read_bytes())
    assert manifest["format_version"] == FORMAT_VERSION == 6
    assert manifest["form"]["kind"] == "tables"
    assert migrated(manifest, 6)["form"] == manifest["form"]


def picture(**changes):
    form = {"height": 6, "width": 8, "channels": 3}
    return {"name": "image", "kind": "image", "form": form, **changes}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        [None],
        [{"name": "age"}],
        [{"name": "age", "kind": "number", "loader": "os"}],
        [picture(), {"name": "age", "kind": "number"}],
        [picture(), picture()],
        [picture(form=None)],
        [picture(kind="number")],
        [picture(form={"height": 6, "width": 8})],
        [picture(form={"height": 6, "width": 8, "channels": 3, "depth": 1})],
    ],
)
def test_what_was_no_schema_of_format_1_is_refused(schema):
    with pytest.raises(msgspec.ValidationError):
        migrated({"format_version": 1, "schema": schema, "info": {}}, 1)


@pytest.mark.parametrize("version", [0, -1])
def test_there_was_no_earlier_format(version):
    with pytest.raises(msgspec.ValidationError, match="no format version"):
        migrated({}, version)
