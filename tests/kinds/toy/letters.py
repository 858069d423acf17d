"""A kind of data of somebody else's: short texts, told apart by how often each letter occurs in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from annvil.data.dataset import Dataset, Source
from annvil.data.form import Conformed
from annvil.data.table import Column, Field, Table
from annvil.kinds.base import Kind
from annvil.kinds.found import Stage
from annvil.kinds.tables.form import TableForm
from annvil.models.dummy import Dummy
from annvil.models.linear import Linear
from annvil.options import Option
from annvil.sections import Rows, Section
from annvil.tasks.union import make_task
from annvil.text.words import Words


class LettersForm(TableForm, frozen=True, tag_field="kind", tag="letters"):
    kind: ClassVar[str] = "letters"

    def conform(self, raw: Any, where: str = "the texts") -> Conformed:
        lines = Path(raw).read_text().splitlines() if isinstance(raw, str | Path) else raw
        return Conformed(counted(lines, "".join(field.name for field in self.fields)))


@dataclass(frozen=True)
class Letters(Table):
    form = property(lambda self: LettersForm(self.schema))


def counted(lines: list[str], alphabet: str) -> Letters:
    counts = [Column(Field(c, "number"), np.array([float(line.count(c)) for line in lines])) for c in alphabet]
    return Letters(tuple(counts), len(lines))


class LettersOptions(msgspec.Struct, frozen=True, kw_only=True):
    alphabet: Annotated[str, Option("The letters that count.", metavar="LETTERS")] = "abcde"


class LettersKind(Kind):
    name = "letters"
    words = Words("text", "texts", features="letters", data=("texts", "a list of texts"), sources="texts (.words)")
    Options = LettersOptions
    form: Any = LettersForm

    def claims(self, opened: Any) -> str | None:
        return "a list of texts" if opened.path is not None and opened.path.suffix == ".words" else None

    def read(self, opened: Any, options: LettersOptions, progress: Any = None) -> Dataset[Letters]:
        content = opened.path.read_text()
        texts, labels = zip(*(line.split("\t") for line in content.splitlines()), strict=True)
        classes, y = np.unique(labels, return_inverse=True)
        source = Source(opened.path.name, str(opened.path), sha256(content.encode()).hexdigest(), len(content))
        task = make_task("binary", "label", tuple(classes.tolist()))
        inputs = counted(texts, options.alphabet)
        return Dataset(inputs, y.astype(np.int64), task, np.arange(len(y)), source=source)

    def contenders(self, dataset: Any, options: Any = None, loaded: Any = None) -> list[Any]:
        return [Dummy(), Linear()]

    def sections(self, stage: Stage, found: Any) -> Iterator[Section]:
        if stage is Stage.SHIPPED:
            sums = found.dataset.inputs.numbers().sum(axis=0)
            rows = tuple((name, f"{n:.0f}") for name, n in zip(found.dataset.inputs.names, sums, strict=True))
            yield Section("letters", "How often letters occur", tables=(Rows(("Letter", "Times"), rows),))


KIND = LettersKind()
