"""Lists of rows that print as tables."""

from __future__ import annotations

from annvil.trainer.results.rows import MOST_SHOWN, Table


def test_numbers_stand_right_and_words_left():
    table = Table([{"name": "a", "loss": 0.123456, "n": 3}, {"name": "long", "loss": 12.0, "more": None}])
    assert str(table).splitlines() == [
        "name    loss  n  more",
        "a     0.1235  3",
        "long      12",
    ]


def test_it_is_a_sequence_of_dicts():
    rows = [{"a": 1}, {"a": 2}]
    table = Table(rows)
    assert len(table) == 2
    assert table[0] == {"a": 1}
    assert list(table) == rows
    assert list(table[1:]) == rows[1:]
    assert table.columns == ("a",)


def test_html_is_escaped():
    html = Table([{"<i>": "<script>"}])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<i>" not in html


def test_long_tables_say_how_many_rows_are_left():
    table = Table({"n": number} for number in range(MOST_SHOWN + 3))
    assert str(table).splitlines()[-1] == "… and 3 more"
    assert len(table) == MOST_SHOWN + 3
