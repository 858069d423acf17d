"""What every task must keep: JSON and back, metrics, one arithmetic in memory, on tensors and in a graph, columns."""

from __future__ import annotations

import pickle

import msgspec
import numpy as np
import onnxruntime as ort
import pytest
import sklearn.metrics as sk
import torch

from annvil.onnx.builder import Graph
from annvil.tasks.base import Targets
from annvil.tasks.union import AnyTask, make_task, tagged, task_from_json

TASKS = {
    "binary": make_task("binary", "sick", ("no", "yes"), "two values"),
    "multiclass": make_task("multiclass", "wine", ("a", 2, 2.5), "three values"),
    "multilabel": make_task("multilabel", "tags", ("cat", "dog", "sea"), "lists"),
    "regression": make_task("regression", "price", (), "many values"),
}
every_task = pytest.mark.parametrize("kind", list(TASKS))


def made(kind, n_rows=60, seed=0):
    """A task with its answers and with outputs that know something of them."""
    task, random = TASKS[kind], np.random.default_rng(seed)
    if kind == "regression":
        y = random.normal(size=n_rows)
        return task, y, y[:, None] + 0.3 * random.normal(size=(n_rows, 1))
    outputs = task.link.apply(2 * random.normal(size=(n_rows, task.n_outputs)))
    if kind == "multilabel":
        return task, (random.random(outputs.shape) < outputs).astype(np.int64), outputs
    return task, (outputs.cumsum(axis=1) < random.random((n_rows, 1))).sum(axis=1).astype(np.int64), outputs


@every_task
def test_json_is_as_it_always_was(kind):
    task = TASKS[kind]
    plain = {"kind": kind, "target": task.target, "classes": list(task.classes), "reason": task.reason}
    assert task.to_json() == plain == msgspec.json.decode(msgspec.json.encode(task))
    assert task_from_json(plain) == task == msgspec.json.decode(msgspec.json.encode(tagged(task)), type=AnyTask)
    assert type(task_from_json(plain)) is type(task)
    assert pickle.loads(pickle.dumps(task)) == task
    with pytest.raises(msgspec.ValidationError):
        task_from_json({**plain, "further": 1})


@every_task
def test_scores_are_finite_and_ask_for_rows_only(kind):
    task, y, outputs = made(kind)
    names = [metric.name for metric in task.metrics]
    assert len(set(names)) == len(names)
    assert list(task.scores(y, outputs)) == names
    for rows in (np.arange(60), np.array([3]), np.arange(10)):
        assert np.isfinite(list(task.scores(y[rows], outputs[rows]).values())).all()
        taken = Targets(y, {"of": np.arange(60)}).take(rows)
        assert task.scores(taken, outputs[rows]) == task.scores(y[rows], outputs[rows])
        np.testing.assert_array_equal(taken.context["of"], rows)
    assert pickle.loads(pickle.dumps(task.metrics[0])).score(y, outputs) == task.metrics[0].score(y, outputs)
    assert task.metric() is task.metrics[0]


@every_task
def test_losses_of_rows_are_those_of_scikit_learn(kind):
    task, y, outputs = made(kind)
    found = task.row_losses(y, outputs)
    assert found.shape == (60,)
    expected = {
        "regression": lambda: sk.mean_squared_error(y, outputs[:, 0]),
        "multilabel": lambda: sum(sk.log_loss(y[:, k], outputs[:, k]) for k in range(3)),
    }.get(kind, lambda: sk.log_loss(y, outputs))()
    assert found.mean() == pytest.approx(expected, rel=1e-9)


@every_task
def test_the_link_is_the_same_in_memory_on_tensors_and_in_a_graph(kind):
    link, scores = TASKS[kind].link, 4 * np.random.default_rng(1).normal(size=(9, TASKS[kind].n_outputs))
    expected = link.apply(scores)
    np.testing.assert_allclose(link.tensor(torch.from_numpy(scores)).numpy(), expected, rtol=1e-12)
    graph = Graph()
    value = graph.input("scores", "float64", ["rows", scores.shape[1]])
    outputs = graph.op("Identity", link.write(graph, value))
    model = graph.finish({"outputs": (outputs, "float64", ["rows", scores.shape[1]])})
    found = ort.InferenceSession(model).run(None, {"scores": scores})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@every_task
def test_the_loss_of_the_link_is_least_at_the_truth(kind):
    """The engine knows it by its name, and takes answers in the type that the link names."""
    from annvil.training.losses.resolve import make_loss

    task, y, _ = made(kind)
    answers = torch.from_numpy(np.asarray(y, dtype=task.link.dtype))
    assert answers.dtype in (torch.int64, torch.float32)
    for name in (task.link.loss, task.link.summed_loss):
        assert make_loss(name) is not None


@every_task
def test_columns_are_what_is_said_and_the_probabilities(kind):
    task, _, outputs = made(kind)
    columns = task.columns(outputs)
    assert {len(values) for _, values in columns} == {60}
    name, said = columns[0]
    assert name == f"predicted_{task.target}"
    expected = {
        "regression": lambda: outputs[:, 0].tolist(),
        "multilabel": lambda: ["|".join(np.array(task.classes)[row >= 0.5]) for row in outputs],
    }.get(kind, lambda: [task.classes[k] for k in outputs.argmax(axis=1)])()
    assert said == expected
    assert [name for name, _ in columns[1:]] == [f"probability_{label}" for label in task.classes]
    for k, (_, values) in enumerate(columns[1:]):
        assert values == outputs[:, k].tolist()


def test_labels_in_columns_of_their_own_have_no_common_name():
    task = make_task("multilabel", "cat, dog", ("cat", "dog"))
    assert task.columns(np.array([[0.9, 0.6], [0.1, 0.2]]))[0] == ("predicted_labels", ["cat|dog", ""])


@every_task
def test_the_truth_is_its_own_best_answer(kind):
    task, y, _ = made(kind)
    truth = task.indicators(y)
    assert truth.shape == (60, task.n_outputs)
    np.testing.assert_array_equal(task.decide(truth), y)
    assert task.shares_wrong(y, truth).max() == 0
    right = task.right(y, truth)
    assert right is None or right.all()
    assert task.row_losses(y, truth).mean() <= 1e-9
    scores = zip(task.metrics, task.scores(y, truth).values(), strict=True)
    assert all(metric.error(score) <= 1e-9 for metric, score in scores)


@every_task
def test_a_constant_is_the_best_without_inputs(kind):
    task, y, _ = made(kind)
    constant = task.constant(y)
    assert constant.shape == (task.n_outputs,)
    best = task.row_losses(y, np.tile(task.indicators(y).mean(axis=0), (60, 1))).mean()
    assert task.row_losses(y, np.tile(constant, (60, 1))).mean() == pytest.approx(best, abs=0.03)


@every_task
def test_questions_have_one_answer_a_row(kind):
    task, y, outputs = made(kind)
    questions = task.questions(y)
    assert len(questions) == task.n_questions == (3 if kind == "multilabel" else 1)
    assert all(answers.shape == (60,) for _, answers in questions)
    for k, (one, answers) in enumerate(questions if kind == "multilabel" else ()):
        two = np.stack([1 - outputs[:, k], outputs[:, k]], axis=1)
        assert one.metric("roc_auc").score(answers, two) == pytest.approx(sk.roc_auc_score(y[:, k], outputs[:, k]))


@every_task
def test_strata_begin_at_zero_and_leave_none_out(kind):
    task, y, _ = made(kind)
    strata = task.strata(y)
    assert strata.shape == (60,)
    assert np.unique(strata).tolist() == list(range(strata.max() + 1))


@every_task
def test_people_are_told_of_it(kind):
    task, y, outputs = made(kind)
    counts = task.counts(y)
    assert len(counts) == len(task.classes)
    assert all(f"{label} ({n})" in task.describe(y) for label, n in zip(task.classes, counts, strict=True))
    assert len(task.output_names) == task.n_outputs
    assert all(len(cells) == task.n_questions for cells in task.written(y))
    shown = task.examples(y, outputs, None, "60 rows", 5, 9)
    assert len(shown.rows) == len(shown.captions) == len(shown.wrong) == 9
    assert "60 rows" in shown.sentences[0]
    if "reliability" in task.errors:
        certainty = task.certainty(y, outputs)
        assert certainty.probability.shape == certainty.happened.shape
        assert certainty.probability.mean() == pytest.approx(certainty.happened.mean(), abs=0.15)


def test_a_task_and_a_decision_read_from_a_file_must_fit():
    assert [task.check() for task in TASKS.values()] == [None] * 4
    assert "cannot have 3 classes" in make_task("binary", "y", (0, 1, 2)).check()
    assert "cannot have 1 classes" in make_task("multilabel", "y", (0,)).check()
    assert "cannot have 2 classes" in make_task("regression", "y", (0, 1)).check()
    decisions = (None, 0.3, (0.1, 0.2, 0.3))
    fits = {kind: [task.check_decision(d) is None for d in decisions] for kind, task in TASKS.items()}
    assert fits == {
        "binary": [True, True, False],
        "multiclass": [True, False, False],
        "multilabel": [True, False, True],
        "regression": [True, False, False],
    }
    assert TASKS["multilabel"].check_decision((0.1, 0.2)) == "only several labels have thresholds, one each"
    assert TASKS["regression"].check_decision(0.3) == "only a binary task has a threshold"


def test_losses_are_one_minus_the_score():
    two = make_task("multiclass", "x", ("a", "b"))
    np.testing.assert_array_equal(two.shares_wrong(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])), [0, 1])
    y, outputs = np.array([1.0, 2, 3, 4]), np.array([[1.5], [2], [3], [3.5]])
    assert 1 - TASKS["regression"].shares_wrong(y, outputs).mean() == pytest.approx(1 - 0.5 / 5)
    labels = make_task("multilabel", "x", ("a", "b"))
    y, outputs = np.array([[0, 1], [1, 1]]), np.array([[0.2, 0.7], [0.3, 0.9]])
    np.testing.assert_array_equal(labels.shares_wrong(y, outputs), [0, 0.5])
