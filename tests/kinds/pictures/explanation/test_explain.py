"""One picture explained, by models whose answer is known."""

import io
import itertools
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageFont
from tests.kinds.pictures.explanation.conftest import PATCH, UpperLeft, crosses

from annvil.bundle import export, save
from annvil.data.table import Field, table_form
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.explanation import render
from annvil.kinds.pictures.explanation.explain import explain_file, explain_picture, where_in_words
from annvil.kinds.pictures.explanation.saliency import Saliency
from annvil.kinds.pictures.explanation.subject import open_subject
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.unlike import seen_in
from annvil.tasks.union import make_task


@pytest.fixture(scope="module")
def explanation(network_model):
    pixels, _ = crosses(4, seed=9)
    return explain_picture(open_subject(network_model), pixels[1], name="some/cross.png")


def test_the_network_is_found_to_look_at_the_cross(explanation):
    assert explanation.label == "cross"
    assert explanation.said.startswith("The model says cross (")
    assert [one.saliency.method for one in explanation.maps] == ["integrated-gradients", "grad-cam", "occlusion"]
    by_method = {one.saliency.method: one for one in explanation.maps}
    for method in ("integrated-gradients", "occlusion"):
        one = by_method[method]
        assert one.trusted, one.sentences()
        for_it = np.maximum(one.saliency.values, 0)
        assert for_it[PATCH].sum() > 0.99 * np.abs(one.saliency.values).sum() > 0
        assert "right" in where_in_words(one.saliency)
    bright = explanation.pixels[..., 0] > 128  # nothing else reaches the network's second layer
    assert (by_method["integrated-gradients"].saliency.values[~bright] == 0).all()
    assert explanation.notices == ()


def test_everything_is_said_once_and_in_order(explanation):
    said = explanation.sentences()
    assert said[0] == explanation.said
    assert [line.split(":")[0] for line in said[1:]] == ["Integrated gradients", "Grad-CAM", "Occlusion"]
    told = json.loads(json.dumps(explanation.to_json()))
    assert told["explained"] == "cross"
    assert np.shape(told["maps"][0]["values"]) == (24, 24)
    assert told["maps"][0]["complete_within"] <= 1e-3


def test_the_composed_picture_has_a_panel_for_each_map(explanation):
    page = np.asarray(Image.open(io.BytesIO(explanation.png())))
    assert page.shape[2] == 3
    dark = (page < 200).any(axis=(0, 2))  # columns with something in them
    gaps = np.flatnonzero(np.diff(dark.astype(int)) == 1)
    assert page.shape[1] > 4 * 200
    assert len(gaps) >= 4


def test_what_speaks_for_another_class_can_be_asked(network_model):
    pixels, _ = crosses(4, seed=9)
    found = explain_file(open_subject(network_model), pixels[1], label="none")
    assert found.output == 0
    assert "Explained is what speaks for none" in found.said


def test_a_model_without_a_network_is_explained_by_occlusion(graph_model):
    pixels = np.full((24, 24, 1), 10, np.uint8)
    pixels[2:12, 2:12] = 250
    found = explain_picture(open_subject(graph_model), pixels)
    (one,) = found.maps
    assert one.saliency.method == "occlusion"
    assert one.alike is None
    assert one.trusted
    assert one.saliency.values[:13, :13].sum() > 0.99 * np.abs(one.saliency.values).sum()
    assert found.notices == ("Gradient-based maps need a neural network. Only occlusion can be shown.",)


def test_scores_of_a_class_are_log_odds(graph_model):
    subject = open_subject(graph_model)
    pixels = np.full((1, 24, 24, 1), 51, np.uint8)  # 0.2
    assert subject.scores(1)(pixels) == pytest.approx(np.log(0.2 / 0.8), abs=1e-5)
    assert subject.scores(0)(pixels) == pytest.approx(np.log(0.8 / 0.2), abs=1e-5)
    assert subject.losses(pixels[0], 1)(pixels // 3) == pytest.approx(2 / 3, abs=1e-5)


def test_a_number_is_explained_too(number_model):
    pixels = np.full((24, 24, 1), 10, np.uint8)
    pixels[2:12, 2:12] = 250
    found = explain_picture(open_subject(number_model), pixels)
    assert found.said == f"The model says light = {found.outputs[0]:.4g}."
    assert found.maps[0].trusted
    assert "marks least, the picture moves the value by" in found.sentences()[-1]
    assert found.png()


def test_a_blank_picture_is_not_to_be_trusted(network_model):
    found = explain_picture(open_subject(network_model), np.full((24, 24, 1), 90, np.uint8))
    assert found.trusted == ()
    assert "No map of this picture can be trusted" in found.sentences()[1]
    assert found.png()


def test_what_cannot_be_explained_is_refused(network_model, graph_model, number_model, tmp_path):
    subject = open_subject(network_model)
    with pytest.raises(RequestError, match=r"knows no class 'crosses'.*Did you mean 'cross'\?.*none, cross"):
        explain_file(subject, np.zeros((24, 24), np.uint8), label="crosses")
    with pytest.raises(RequestError, match="has no classes"):
        explain_file(open_subject(number_model), np.zeros((24, 24), np.uint8), label="light")
    with pytest.raises(RequestError, match="One picture is explained at a time; got 3"):
        explain_file(subject, np.zeros((3, 24, 24), np.uint8))
    with pytest.raises((DataError, RequestError), match=r"gone\.png"):
        explain_file(subject, tmp_path / "gone.png")
    form, task = table_form([Field("age", "number")]), make_task("regression", "y")

    class Age:
        def write(self, graph, numbers, texts):
            return graph.columns(numbers, [0])

    table = save(tmp_path / "table", export(Age(), form, task), form=form, task=task)
    with pytest.raises(RequestError, match="is a model of a table"):
        open_subject(table)


def test_weights_of_an_unknown_network_are_left_alone(tmp_path, graph_model):
    from annvil.bundle import load

    predictor = load(graph_model)
    graph = export(UpperLeft(), predictor.form, predictor.task)
    info, weights = {"architecture": {"kind": "spiking"}}, {"a": np.zeros(3, np.float32)}
    path = save(tmp_path / "m", graph, form=predictor.form, task=predictor.task, info=info, weights=weights)
    subject = open_subject(path)
    assert subject.network is None
    assert "'spiking' cannot be restored" in subject.why_none


def test_where_in_words():
    values = np.zeros((9, 9))
    values[8, 4] = 2
    values[0, 0] = -5
    assert where_in_words(Saliency("occlusion", values)) == (
        "Half of what speaks for it lies in 1% of the picture, around the bottom."
    )
    assert where_in_words(Saliency("occlusion", -np.ones((9, 9)))) == "Nothing in the picture speaks for it."


@pytest.mark.parametrize("notices", [(), ("It is unlike the training data.",), ("A long word " * 40, "and another")])
def test_every_notice_is_on_the_page_in_the_lines_and_in_the_json(graph_model, notices, monkeypatch):
    """Lines are drawn one by one: together they are the notices, none is cut, none lies on another."""
    pixels = np.full((24, 24, 1), 10, np.uint8)
    found = replace(explain_picture(open_subject(graph_model), pixels), notices=notices)
    drawn = []
    real = render.write

    def write(draw, place, text, size, colour, width):
        drawn.append((place, text, colour, ImageFont.load_default(size=size).getlength(text) <= width))
        real(draw, place, text, size, colour, width)

    monkeypatch.setattr(render, "write", write)
    page = Image.open(io.BytesIO(found.png()))
    title, *rest = drawn
    told = [one for one in rest if one[2] == render.BAD and one[0][0] == render.GAP and one[0][1] < rest[-1][0][1]]
    told = told[: next(i for i, one in enumerate(rest) if one[1] == "The picture")]
    assert " ".join(text for _, text, _, _ in told) == " ".join(" ".join(notices).split())
    assert all(fits for _, _, _, fits in told)
    downs = [title[0][1], *(place[1] for place, _, _, _ in told), rest[len(told)][0][1]]
    assert all(later - earlier >= 18 for earlier, later in itertools.pairwise(downs))
    assert page.height == 240 + 176 + (18 * len(told) + 6 if told else 0)
    assert found.to_json()["notices"] == list(notices)
    assert [one for one in found.sentences() if one in notices] == list(notices)


def test_a_picture_unlike_those_learnt_from_is_explained_with_that_notice(tmp_path):
    rng = np.random.default_rng(0)
    learnt = images_from_arrays(rng.integers(100, 140, (200, 24, 24), dtype=np.uint8))
    form = msgspec.structs.replace(learnt.form, seen=seen_in(learnt))
    task = make_task("binary", "corner", ("dark", "light"))
    subject = open_subject(save(tmp_path / "m", export(UpperLeft(), form, task), form=form, task=task, info={}))
    like, unlike = learnt.pixels()[0], np.where(np.arange(24) % 2, 255, 0).astype(np.uint8)[None].repeat(24, axis=0)
    assert not any("unlike the training data" in one for one in explain_file(subject, like).notices)
    (notice,) = [one for one in explain_file(subject, unlike).notices if "unlike the training data" in one]
    assert notice in explain_file(subject, unlike).to_json()["notices"]
