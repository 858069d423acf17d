"""Words said in each recording, from a table: codes, gaps and speakers."""

import numpy as np
import pytest
from tests.kinds.sound.made import tone, write_wav

import annvil
from annvil.errors import DataError, RequestError
from annvil.kinds.sound import KIND
from annvil.kinds.sound.audit.audit_sound import audit_sound


@pytest.fixture
def source(tmp_path):
    """Twenty-four recordings of digits by three speakers, and the table of what is said."""
    root, lines = tmp_path / "strings", ["path,words"]
    random = np.random.default_rng(0)
    for place in range(24):
        who, digits = ("ann", "bob", "cem")[place % 3], random.integers(0, 4, 1 + place % 5)
        sound = np.concatenate([tone(300 + 150 * digit, 0.1, seed=place) for digit in digits])
        write_wav(root / f"{who}_{place}.wav", sound)
        lines.append(f"{who}_{place}.wav,{' '.join(map(str, digits))}")
    table = tmp_path / "transcripts.csv"
    table.write_text("\n".join(lines))
    return root, table


def test_words_become_codes_in_their_order(source):
    root, table = source
    dataset = annvil.read(root, transcripts=table)
    assert (dataset.task.kind, dataset.task.classes, dataset.task.most) == ("transcription", ("0", "1", "2", "3"), 5)
    assert dataset.y.shape == (24, 5)
    said = dict(line.split(",") for line in table.read_text().splitlines()[1:])
    for name, codes in zip(dataset.inputs.names(), dataset.y.tolist(), strict=True):
        words = [str(code) for code in codes if code >= 0]
        assert words == said[name].split()
        assert codes[len(words) :] == [-1] * (5 - len(words))
    assert dataset.inputs.store.speakers == ("ann", "bob", "cem")
    assert {finding.kind for finding in audit_sound(dataset)} >= {"few speakers"}


def test_digits_with_leading_zeros_stay_words(source):
    root, table = source
    table.write_text("path,words\n" + "".join(f"{who}_{k}.wav,0{k % 2}\n" for k in range(24) for who in [_who(k)]))
    assert annvil.read(root, transcripts=table).task.classes == ("00", "01")


def _who(place):
    return ("ann", "bob", "cem")[place % 3]


def test_a_recording_without_words_is_refused_or_left_out(source):
    root, table = source
    table.write_text(table.read_text().replace(table.read_text().splitlines()[3].split(",")[1] + "\n", "\n", 1))
    empty = table.read_text().count(",\n")
    assert empty == 1
    with pytest.raises(DataError, match="missing"):
        annvil.read(root, transcripts=table)
    assert annvil.read(root, transcripts=table, drop_missing_target=True).n_rows == 23


def test_what_cannot_be_read_is_told(source, tmp_path):
    root, table = source
    with pytest.raises(RequestError, match=r"There is no file .* of transcripts\. Did you mean 'transcripts\.csv'"):
        annvil.read(root, transcripts=tmp_path / "transcript.csv")
    with pytest.raises(RequestError, match="of a folder or a zip"):
        annvil.read((["a.wav"], ["x"]), transcripts=table)
    table.write_text("name,words\nx,one\ny,two\n")
    with pytest.raises(DataError, match=r"No column of transcripts\.csv names the recordings"):
        annvil.read(root, transcripts=table)


def test_a_fit_is_refused_as_long_as_nobody_competes(source):
    root, table = source
    with pytest.raises(RequestError, match="No contender transcribes sequences of words so far"):
        KIND.contenders(annvil.read(root, transcripts=table))
