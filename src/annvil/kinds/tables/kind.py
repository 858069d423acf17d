"""Tables as a kind of data: what each question of the rest of the house is answered with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.kinds.base import Explanation, Kind, Tiny
from annvil.kinds.found import Found, Loaded, Progress, Stage
from annvil.kinds.tables.explain_options import TableExplainOptions
from annvil.kinds.tables.options import TableOptions, signs, with_directions

if TYPE_CHECKING:
    from annvil.comparison.store import Predicted
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Form
    from annvil.data.readers.opened import Opened
    from annvil.explanation.permutation import Importance
    from annvil.kinds.tables.form import TableForm
    from annvil.models.contract import Contender
    from annvil.models.members import Fitted
    from annvil.sections import Section


class Tables(Kind):
    """Rows of typed columns, one of which is to be predicted."""

    name = "tables"
    Options = TableOptions
    ExplainOptions = TableExplainOptions
    explained_as = (".html", ".csv", ".json")
    refits_to_explain = 12  # for the bands of effects (`annvil.explanation.refits.REFITS`)
    rank = 100  # the last to be asked: whatever nobody else claims is read as a table, or refused as one

    @property
    def form(self) -> type[TableForm]:
        from annvil.kinds.tables.form import TableForm

        return TableForm

    def claims(self, opened: Opened) -> str | None:
        return "a table"

    def read(self, opened: Opened, options: Any, progress: Progress | None = None) -> Dataset:
        from annvil.kinds.tables.reading import read_table

        directions = {} if options is None else options.monotone
        return with_directions(read_table(opened, monotone=(*directions,)), directions)

    def audit(self, dataset: Dataset, seed: int = 0) -> Iterator[Finding]:
        from annvil.kinds.tables.audit import audit_table

        return audit_table(dataset, seed)

    def form_to_save(self, dataset: Dataset, tested: Predicted | None = None) -> Form:
        from annvil.kinds.tables.seen import seen_in

        table = dataset.inputs
        return self.form(table.schema, table.missing, seen_in(table))

    def explaining(self, dataset: Dataset, fitted: Fitted | None) -> Mapping[str, bytes]:
        from annvil.kinds.tables.explaining import explaining

        return explaining(dataset, fitted)

    def contenders(self, dataset: Dataset, options: Any = None, loaded: Loaded | None = None) -> list[Contender]:
        from annvil.kinds.tables.contenders import contenders_for_tables, has_gaps

        return contenders_for_tables(signs(options), gaps=has_gaps(dataset))

    def tiny(self) -> Mapping[str, Tiny]:
        from annvil.kinds.tables.tiny import tiny

        return tiny()

    def base_rate(self, n_rows: int) -> str:
        from annvil.kinds.tables.base_rates import base_rate

        return base_rate(n_rows)

    def described(self, dataset: Dataset) -> Iterator[tuple[str, str]]:
        from annvil.kinds.tables.described import described

        return described(dataset)

    def check_files(self, data: Sequence[str], *, keep: bool) -> None:
        super().check_files(data, keep=False)  # columns can be kept

    def beside(self, data: Sequence[str], inputs: Any, *, keep: bool) -> Iterator[tuple[str, Iterable[Any]]]:
        from annvil.kinds.tables.kept import kept_columns

        return kept_columns(data[0]) if keep else iter(())

    def importance(self, found: Found) -> tuple[tuple[Importance, ...], int]:
        from annvil.kinds.tables.importance import importance_of_columns

        return importance_of_columns(found)

    def explain(self, model: Path, one: Any, label: str | None = None, options: Any = None) -> Explanation:
        from annvil.kinds.tables.explanation import explain_rows

        return explain_rows(model, one, label, options or TableExplainOptions())

    def explain_whole(self, model: Path) -> Explanation:
        from annvil.kinds.tables.explanation import explain_whole

        return explain_whole(model)

    def sections(self, stage: Stage, found: Found) -> Iterator[Section]:
        from annvil.kinds.tables.sections.effects import effect_sections

        return effect_sections(found) if stage is Stage.EXPLAINED else iter(())


KIND = Tables()
