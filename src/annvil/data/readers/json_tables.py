"""JSON as tables come in it: an object a line, an array of objects, or one object of columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from annvil.data.dataset import Source
from annvil.data.readers.duckdb import Wanted, load, reader, sql
from annvil.data.readers.frames import table_from_mapping, table_from_records
from annvil.data.readers.raw import MOST_COLUMNS, RawTable, refuse_header
from annvil.errors import DataError
from annvil.text.phrases import quoted

_TABLES = {"data", "results", "rows", "records", "items", "features", "value", "values", "observations", "entries"}
"""What servers call the table in an answer; under another name beside other values, records belong to one row."""

_LINES_OF_ARRAYS = re.compile(r"\s*\[[^\[\]{}]*\]\s*\n\s*\[")

LONGEST_RECORD = 2**24
"""Bytes of one JSON line."""


def read_json_table(path: Path, source: Source, wanted: Wanted) -> RawTable:
    """The table in a file of JSON.

    Understood are one object per line, an array of objects, an object of columns (lists, or objects by row as pandas
    writes them unless told otherwise), pandas' ``orient="index"``, ``"split"``, ``"table"`` and ``"values"``, rows that
    are arrays, GeoJSON, and an object in which one array of objects stands, beside what is said of it.

    Raises
    ------
    DataError
        Where a line or the whole is no JSON, rows are no objects, or there are too many columns.
    """
    import duckdb

    whole = _only_object(path)
    if whole is not None and (table := _from_object(whole, source.name)) is not None:
        refuse_header(table.names, source.name)
        return replace(table, source=replace(source, details=source.details.replace("JSON lines", "JSON")))
    with reader(path) as (connection, file):
        objects = f"read_json_objects({sql(file)}, format='auto', maximum_object_size={LONGEST_RECORD})"
        query = (
            f"read_json({sql(file)}, format='auto', records=true, sample_size=-1, "
            f"convert_strings_to_integers=false, maximum_object_size={LONGEST_RECORD})"
        )
        try:  # keys are counted before types are inferred, which takes DuckDB minutes for many of them
            keys = f"SELECT DISTINCT unnest(json_keys(json)) FROM {objects} LIMIT {MOST_COLUMNS + 1}"
            n_keys = len(connection.execute(keys).fetchall())
            _refuse_many(n_keys, source.name)
            if n_keys > MANY_KEYS:
                return _read_plainly(path, source)
            names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {query}").fetchall()]
            refuse_header(names, source.name)
            if _may_be_renamed(names):
                return _read_plainly(path, source)
            columns, n_rows = load(connection, query, names, wanted, typed=True, where=source.name)
        except duckdb.Error:
            return _read_plainly(path, source)
    return RawTable(tuple(columns), n_rows, source)


MANY_KEYS = 500
"""More columns than this are read by Python, whose work grows with the values that are there (assumed)."""


def _refuse_many(n_keys: int, where: str) -> None:
    """Raise as soon as there are too many columns, however many are still to come."""
    if n_keys > MOST_COLUMNS:
        raise DataError(
            f"{where} has more than {MOST_COLUMNS} columns, the most that Annvil reads; keep those that matter."
        )


def _may_be_renamed(names: Sequence[str]) -> bool:
    """Whether DuckDB, to which ``Age`` and ``age`` are one name, may have called a column ``age_1``."""
    known = {name.lower() for name in names}
    numbered = [re.fullmatch(r"(.*)_\d+", name.lower(), re.DOTALL) for name in names]
    return any(match is not None and match[1] in known for match in numbered)


def _only_object(path: Path) -> dict[str, Any] | None:
    """The object that the file consists of, or None: then it is lines, or an array, or damaged."""
    with path.open(encoding="utf-8-sig") as stream:
        start = stream.read(LONGEST_RECORD)
        text = start.lstrip()
        if not text.startswith("{"):
            return None
        try:
            found, end = json.JSONDecoder().raw_decode(text)
            return found if not text[end:].strip() and not stream.read(1) else None
        except (ValueError, RecursionError):
            if len(start) < LONGEST_RECORD:
                return None
        try:
            found = json.loads(text + stream.read())
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _from_object(whole: Mapping[str, Any], where: str) -> RawTable | None:
    """The table that one object holds, or None where it is a single record."""
    keys, values = set(whole), list(whole.values())
    data = whole.get("data")
    if {"columns", "data"} <= keys <= {"columns", "index", "data"} and _are(data, list) and _are(whole["columns"], str):
        rows = [row for row in data or () if len(row) == len(whole["columns"])]
        if len(rows) < len(data or ()):
            raise DataError(f"{where} has rows of another length than its {len(whole['columns'])} columns.")
        return table_from_mapping({name: [row[i] for row in rows] for i, name in enumerate(whole["columns"])}, where)
    if keys == {"schema", "data"} and _are(data, dict) and isinstance(whole["schema"], Mapping):
        index = set(whole["schema"].get("primaryKey") or ()) & {"index"}
        return table_from_records([{k: v for k, v in row.items() if k not in index} for row in data or ()], where)
    if len(values) == 1 and isinstance(values[0], Mapping) and (inner := _from_object(values[0], where)) is not None:
        return inner
    tables = [value for key, value in whole.items() if _are(value, dict) and (key in _TABLES or len(values) == 1)]
    if len(tables) == 1:  # what stands beside it is about the table
        return table_from_records(_properties(tables[0]), where)
    if not tables and isinstance(data, list) and _are(data, list):
        return _from_rows(data, where)
    if values and all(isinstance(value, list) for value in values):
        return table_from_mapping(whole, where)
    if len(values) > 1 and all(isinstance(value, Mapping) for value in values):
        return _from_objects(whole, where)
    return None


def _properties(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What GeoJSON (RFC 7946) says of its features; other records as they are."""
    if all(record.get("type") == "Feature" and isinstance(record.get("properties"), dict) for record in records):
        return [record["properties"] for record in records]
    return records


def _from_rows(rows: Sequence[Sequence[Any]], where: str) -> RawTable:
    """Rows that are lists of values; the first one holds names where it alone consists of texts."""
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise DataError(f"{where} has rows of {' and of '.join(map(str, sorted(widths)[:3]))} values; mend them.")
    named = len(rows) > 1 and _are(list(rows[0]), str) and not _are(list(rows[1]), str)
    names = list(rows[0]) if named else [f"column {i + 1}" for i in range(len(rows[0]))]
    refuse_header(names, where)
    return table_from_mapping({name: [row[i] for row in rows[named:]] for i, name in enumerate(names)}, where)


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, kind) for value in values)


def _from_objects(whole: Mapping[str, Mapping[str, Any]], where: str) -> RawTable:
    """Objects of columns by row, or of rows by column: rows are numbered, or else what there is more of."""
    inner = dict.fromkeys(key for value in whole.values() for key in value)
    by_row = _numbered(whole) and not _numbered(inner)
    if not by_row and not _numbered(inner) and len(whole) > len(inner):
        by_row = True
    if by_row:
        return table_from_records(list(whole.values()), where)
    return table_from_mapping({name: [value.get(key) for key in inner] for name, value in whole.items()}, where)


def _numbered(keys: Mapping[str, Any]) -> bool:
    return all(key.isdecimal() for key in keys)


def _read_plainly(path: Path, source: Source) -> RawTable:
    """The same through Python's reader: slower, but it takes the NaN that Python writes, and knows the bad line."""
    text = path.read_text(encoding="utf-8-sig")
    is_array = text.lstrip().startswith("[") and not _LINES_OF_ARRAYS.match(text)
    records: list[dict[str, Any]] = []
    rows: list[list[Any]] = []
    names: set[str] = set()
    for number, line in enumerate([text] if is_array else text.split("\n"), start=1):
        if not line.strip():
            continue
        where = source.name if is_array else f"Line {number} of {source.name}"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not JSON: {str(error).rstrip('.')}.") from None
        for record in found if is_array else [found]:
            if isinstance(record, list) and record and not records:
                rows.append(record)
                continue
            if not isinstance(record, dict) or rows:
                raise DataError(
                    f"{where} holds {quoted(json.dumps(record))} instead of an object; every row must be one, such as "
                    '{"age": 31, "sex": "f"}.'
                )
            records.append(record)
            names.update(record)
        _refuse_many(len(names), source.name)
    table = _from_rows(rows, source.name) if rows else table_from_records(records, source.name)
    refuse_header(table.names, source.name)
    return replace(table, source=source)
