"""A DuckDB that reads one file and can do nothing else, and the way from its tables to raw columns."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.data.readers.learn_dates import learn_date_style
from annvil.data.readers.learn_numbers import learn_number_style
from annvil.data.readers.numbers import parse_number
from annvil.data.readers.raw import (
    LabelType,
    RawColumn,
    beyond_exact,
    column_from_texts,
    durations,
    merge_levels,
    nested,
    of_digits,
    refuse_header,
)
from annvil.data.readers.values import MISSING_NUMBERS, MISSING_TEXTS
from annvil.tasks.base import FloatArray
from annvil.text.safe import composed, tidy

if TYPE_CHECKING:
    import duckdb

MANY_ROWS = 200_000
"""Above this, texts that nearly all differ (names, comments) are not copied into memory; assumed, not measured."""

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_INTEGERS |= {"UHUGEINT", "BIGNUM"}
_SPANS = ("INTERVAL", "TIME ", "TIME_NS")  # and "TIME" itself, but no "TIMESTAMP"
_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?"
_COLUMNS_AT_ONCE = 64
_VALUES_AT_ONCE = 2**20


@dataclass(frozen=True)
class Wanted:
    """What the caller needs of certain columns, by name.

    ``whole``: every text, even if nearly all of a long column's texts differ (the target). ``texts``: the same, and
    left as texts even where they look like numbers, so that long digits stay exact (groups, categories asked for).
    ``units``: so many of the numbers in these columns, which are durations, are a second.
    """

    whole: Collection[str] = ()
    texts: Collection[str] = ()
    units: Mapping[str, float] = field(default_factory=dict)


@contextmanager
def reader(path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection that may open ``path`` alone, and the name to open it by.

    No extension is installed or loaded, no variable of the program is visible to SQL, and nothing but the file can be
    read. Characters that DuckDB would take for a pattern (``*?[``) are avoided through a link.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        name = str(path.absolute())
        if any(sign in name for sign in "*?[]{}"):
            link = Path(folder) / f"data{path.suffix}"
            link.symlink_to(path.absolute())
            name = str(link)
        settings: dict[str, Any] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": folder,
        }
        connection = duckdb.connect(":memory:", config=settings)
        try:
            connection.execute("SET allowed_paths = [" + sql(name) + "]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection, name
        finally:
            connection.close()


def sql(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: BaseException) -> str:
    """What an error says, in its first line; its kind where it says nothing."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__


def load(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    names: Sequence[str],
    wanted: Wanted,
    *,
    typed: bool,
    comma: bool = False,
    where: str,
) -> tuple[list[RawColumn], int]:
    """All columns of what SQL may select from, under these names, and the number of its rows.

    ``typed``: whether the file itself says that a text is a text (Parquet does; CSV does not, so there a text that is a
    number is a number). ``comma``: whether numbers were read with a decimal comma.

    Raises
    ------
    DataError
        Where there are too many names, or one twice.
    """
    names = [*map(composed, names)]
    refuse_header(names, where)
    aliases = ", ".join(f"c{i}" for i in range(len(names)))
    connection.execute(f"CREATE OR REPLACE TABLE t AS SELECT * FROM {query} AS q({aliases})")
    types = {row[0]: str(row[1]) for row in connection.execute("DESCRIBE t").fetchall()}
    (n_rows,) = _row(connection, "SELECT count(*) FROM t")
    wanted_floats = {key: sql for key, kind in types.items() if (sql := _as_float(key, kind))}
    floats = _fetch_floats(connection, wanted_floats, n_rows)
    columns = []
    for name, (key, kind) in zip(names, types.items(), strict=True):
        if key in floats and _needs_digits(kind, floats[key], wanted, name):
            columns.append(of_digits(_texts(connection, key, name, wanted, as_numbers=False)))
        elif key in floats:
            storage = "date" if kind.startswith(("DATE", "TIMESTAMP")) else "number"
            label = "int" if kind in _INTEGERS or (not typed and _all_whole(floats[key])) else "float"
            style = "comma" if comma and storage == "number" else ""
            if f"{kind} ".startswith(_SPANS) or name in wanted.units:
                columns.append(durations(name, floats[key] / wanted.units.get(name, 1)))
            else:
                columns.append(RawColumn(name, storage, floats[key], label=label, style=style))  # type: ignore[arg-type]
        elif kind == "BOOLEAN":
            codes = _fetch(connection, f"SELECT coalesce({key}::INTEGER, -1) FROM t").astype(np.int32)
            columns.append(RawColumn(name, "boolean", codes, ("false", "true"), "bool"))
        elif kind == '"NULL"':
            columns.append(column_from_texts(name, [None] * n_rows))
        elif kind == "JSON" and _holds_nested(connection, key):
            columns.append(nested(name))
        elif kind == "VARCHAR" or kind.startswith("ENUM") or kind in ("UUID", "JSON"):
            if kind == "JSON":  # numbers, texts and booleans mixed: texts without their quotation marks
                connection.execute(f"ALTER TABLE t ALTER {key} TYPE VARCHAR USING {key} ->> '$'")
            column = _texts(connection, key, name, wanted, as_numbers=not typed and not comma)
            said = {level.lower() for level in column.levels if level not in MISSING_TEXTS}
            columns.append(column if typed or said != {"true", "false"} else replace(column, label="bool"))
        else:
            columns.append(nested(name))
    return columns, n_rows


def _holds_nested(connection: duckdb.DuckDBPyConnection, key: str) -> bool:
    return _row(connection, f"SELECT count(*) FROM t WHERE json_type({key}) IN ('OBJECT', 'ARRAY')") != (0,)


def _needs_digits(kind: str, values: FloatArray, wanted: Wanted, name: str) -> bool:
    """Whether whole numbers must stay digits, lest different ones become one; not where nearly all differ anyway."""
    if not (kind in _INTEGERS or kind.endswith(",0)")) or name in wanted.units or not beyond_exact(values):
        return False
    return len(values) <= MANY_ROWS or name in wanted.whole or name in wanted.texts or _often(values)


def _has_fractions(connection: duckdb.DuckDBPyConnection, one: str) -> bool:
    """Whether a text is a number with a decimal point or an exponent, which no code has."""
    return _row(connection, f"SELECT count(*) FROM {one} WHERE regexp_matches(v, '[.eE]')") != (0,)


def _often(values: FloatArray) -> bool:
    """Whether a number stands in two rows on average, judged by the first of them."""
    return 2 * len(np.unique(values[:MANY_ROWS])) < MANY_ROWS


def _as_float(key: str, kind: str) -> str | None:
    """SQL for a float64 with NaN for missing, or None for a type that is not a number or a moment."""
    if kind in _INTEGERS or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        return f"coalesce({key}::DOUBLE, 'nan'::DOUBLE)"
    if kind.startswith(("DATE", "TIMESTAMP", "TIME", "INTERVAL")):
        return f"coalesce(epoch({key})::DOUBLE, 'nan'::DOUBLE)"
    return None


def _fetch_floats(connection: duckdb.DuckDBPyConnection, sql: dict[str, str], n_rows: int) -> dict[str, FloatArray]:
    """Values of columns, rows by rows: DuckDB's copy of what it hands out is never larger than `_VALUES_AT_ONCE`."""
    found: dict[str, FloatArray] = {key: np.empty(n_rows) for key in sql}
    keys = list(sql)
    for first in range(0, len(keys), _COLUMNS_AT_ONCE):
        some = keys[first : first + _COLUMNS_AT_ONCE]
        shown = ", ".join(f"{sql[key]} AS {key}" for key in some)
        step = max(1, _VALUES_AT_ONCE // len(some))
        for start in range(0, n_rows, step):
            where = f" WHERE rowid BETWEEN {start} AND {start + step - 1}" if n_rows > step else ""
            for key, values in connection.execute(f"SELECT {shown} FROM t{where}").fetchnumpy().items():
                found[key][start : start + step] = values
    return found


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> np.ndarray[Any, Any]:
    return np.asarray(next(iter(connection.execute(query).fetchnumpy().values())))


def _all_whole(values: FloatArray) -> bool:
    parts = (values[start : start + _VALUES_AT_ONCE] for start in range(0, len(values), _VALUES_AT_ONCE))
    return all(bool(np.all((part == np.floor(part)) | ~np.isfinite(part))) for part in parts)


def _texts(
    connection: duckdb.DuckDBPyConnection, key: str, name: str, wanted: Wanted, *, as_numbers: bool
) -> RawColumn:
    """A column of texts as codes; columns of very many texts that are numbers or ISO dates directly as values.

    ``as_numbers``: whether texts that DuckDB takes for numbers are numbers, as in a file with decimal points.

    A look at the first thousand values decides what is worth asking of all of them: a million casts that fail take a
    second.
    """
    as_text = name in wanted.texts
    one = f"(SELECT {key}::VARCHAR AS v FROM t)"
    n_present, about_unique = _row(connection, f"SELECT count(v), approx_count_distinct(v) FROM {one}")
    n_seen, n_numbers, n_dates = _row(
        connection,
        f"SELECT count(v), count(TRY_CAST(v AS DOUBLE)), count(*) FILTER (regexp_full_match(v, {sql(_ISO_DATE)}))"
        f" FROM (SELECT v FROM {one} WHERE v IS NOT NULL LIMIT 1000)",
    )
    if as_numbers and not as_text and n_numbers:
        odd = connection.execute(
            f"SELECT v, count(*) FROM {one} WHERE v IS NOT NULL AND TRY_CAST(v AS DOUBLE) IS NULL GROUP BY v LIMIT 50"
        ).fetchall()
        if all(text.strip().lower() in MISSING_NUMBERS for text, _ in odd):
            values = _fetch(connection, f"SELECT coalesce(TRY_CAST(v AS DOUBLE), 'nan'::DOUBLE) FROM {one}")
            label: LabelType = "int" if _all_whole(values) else "float"
            tokens = {text.strip(): int(n) for text, n in odd if text.strip()}
            if label == "float" or not _needs_digits("BIGINT", values, wanted, name) or _has_fractions(connection, one):
                return RawColumn(name, "number", values, label=label, tokens=tokens)
    many = n_present > MANY_ROWS and 2 * about_unique > n_present
    if many and not as_text and n_dates == n_seen and _all_dates(connection, one):
        values = _fetch(connection, f"SELECT coalesce(epoch(v::TIMESTAMP), 'nan'::DOUBLE) FROM {one}")
        return RawColumn(name, "date", values, style="year-month-day")
    if many and not as_text and name not in wanted.whole:
        some = connection.execute(f"SELECT DISTINCT v FROM (SELECT v FROM {one} WHERE v IS NOT NULL LIMIT 1000)")
        texts = tuple(sorted({tidy(row[0]) for row in some.fetchall()}))
        if not _are_values(texts):
            return RawColumn(name, "text", np.empty(0, dtype=np.int32), texts, about_unique=about_unique)
    connection.execute(f"CREATE TYPE levels AS ENUM (SELECT DISTINCT v FROM {one} WHERE v IS NOT NULL ORDER BY v)")
    codes = _fetch(connection, f"SELECT coalesce(enum_code(v::levels)::INTEGER, -1) FROM {one}").astype(np.int32)
    written = connection.execute("SELECT unnest(enum_range(NULL::levels))").fetchall()
    connection.execute("DROP TYPE levels")
    codes, levels = merge_levels(codes, [tidy(row[0]) for row in written])
    return RawColumn(name, "text", codes, levels)


def _are_values(texts: Sequence[str]) -> bool:
    """Whether these examples are numbers or dates in one style, so that every text is worth reading."""
    present = [text for text in texts if text.lower() not in MISSING_NUMBERS]
    style = learn_number_style(present).style.name
    if all(parse_number(text, style) is not None for text in present):
        return True
    return None not in learn_date_style(present).seconds


def _all_dates(connection: duckdb.DuckDBPyConnection, one: str) -> bool:
    """Whether every text is an ISO date, and one that exists."""
    query = f"SELECT count(*) FROM {one} WHERE NOT regexp_full_match(v, {sql(_ISO_DATE)})"
    return _row(connection, f"{query} OR (v IS NOT NULL AND TRY_CAST(v AS TIMESTAMP) IS NULL)") == (0,)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    """The one row of whole numbers that a query gives."""
    return tuple(int(value) for value in connection.execute(query).fetchall()[0])
