"""The few technical terms of a report, each in one or two plain sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

from markupsafe import Markup, escape

from annvil.tasks.metric_index import METRICS
from annvil.text.safe import clean
from annvil.text.words import ROWS, Words

TERMS: dict[str, str] = {
    "calibrated": "Probabilities are calibrated when they come true: of the {rows} given 70%, about 70% turn out so.",
    "cross-validation": "Judging a model several times, each time on other {rows} than those it learnt from.",
    "accumulated local effects": "How predictions change as one column moves a little at a time, each time only for "
    "{rows} that lie there, summed up along the column.",
    "log-odds": "Another scale for probabilities, on which the parts of a model add up: 0 is 50%, +1 is 73%, "
    "−1 is 27%.",
    "partial dependence": "The mean prediction when all {rows} are given the same value in one column.",
    "baseline": "The simplest answer there is, which {baseline}. What does not beat it has learnt nothing.",
    "fold": "One division of the {rows}: a part is put aside, models learn from others, and are judged on the part put "
    "aside.",
    "held-out {rows}": "{Rows} that were put aside and not used for learning, so that they can be used to judge.",
    "inner validation": "Choices, such as when to stop training, are made on a part of the training {rows}, never "
    "on the {rows} that give the score.",
    "leakage": "A column that already contains the answer, for instance because it was filled in afterwards. Scores "
    "with it are too good to be true.",
    "learning curve": "The score a model reaches with few, more and all training {rows}; how it would go on is "
    "estimated with a power law.",
    "network": "A neural network: layers of simple units whose weights are learnt step by step.",
    "ONNX": "An open file format for models that many programs and languages can run.",
    "permutation importance": "How much worse a model predicts when one column's values are shuffled between {rows}.",
    "practically equal": "The difference is smaller than the minimum useful gain, which would justify a network.",
    "SHA-256": "A fingerprint of a file: if a single byte changes, it changes.",
    "standard deviation": "How far values typically lie from their mean.",
    "step of effort": "A model begins with the least that is a fair trial and then tries harder, step by step: "
    "longer training, a wider search, more {rows}. The highest step that was made on all folds is judged.",
    "minimum useful gain": "The smallest gain in the score that would justify a network (--worth); differences below "
    "it count as none.",
}

TERMS |= {metric.title: metric.explanation for metric in METRICS.values()}

_ALSO = {
    "folds": "fold", "learning curves": "learning curve", "networks": "network",
    "neural network": "network", "neural networks": "network", "practically the same": "practically equal",
    "steps of effort": "step of effort",
    "leak": "leakage", "leaks": "leakage", "unseen {rows}": "held-out {rows}",
}  # fmt: skip


def anchor(term: str) -> str:
    """The id of a term's entry."""
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term.lower().replace("²", "2")).strip("-")


class Glossary:
    """Links terms in sentences to their entries, each term once per page, and remembers which were used."""

    def __init__(self, words: Words = ROWS) -> None:
        self.used: set[str] = set()
        self._terms = {words.fill(term): words.fill(meaning) for term, meaning in TERMS.items()}
        also = {words.fill(term): words.fill(other) for term, other in _ALSO.items()}
        self._called = also | {name.lower(): name for name in self._terms}
        names = sorted({*self._terms, *also}, key=len, reverse=True)
        self._find = re.compile(r"(?<![\w&#;-])(" + "|".join(map(re.escape, names)) + r")(?![\w-])", re.IGNORECASE)

    def link(self, sentence: object) -> Markup:
        """The sentence, escaped, with each term's first mention on the page as a link that explains itself."""
        text = str(escape(clean(str(sentence))))
        return Markup(self._find.sub(self._replace, text))  # escaped in the line above

    def _replace(self, found: re.Match[str]) -> str:
        word = found[0]
        term = self._called.get(word.lower())
        if term is None or term in self.used:
            return word
        self.used.add(term)
        return f'<a class="term" href="#{anchor(term)}" title="{escape(self._terms[term])}">{word}</a>'

    def entries(self, always: Iterable[str] = ()) -> list[tuple[str, str, str]]:
        """(id, term, explanation) of the terms used and those asked for, in alphabetical order."""
        wanted = {*self.used, *(term for term in always if term in self._terms)}
        return [(anchor(term), term, self._terms[term]) for term in sorted(wanted, key=str.lower)]
