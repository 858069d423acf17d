from __future__ import annotations

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image
from tests.pictures import drawn, encoded, folder_of

from annvil.errors import DataError, MachineError
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading import cache, decoded, filling
from annvil.kinds.pictures.reading.chunks import Decoder, Order
from annvil.kinds.pictures.reading.listing import list_folder


@pytest.fixture
def listing(tmp_path):
    folder_of(tmp_path / "p", {"cat": 70, "dog": 75})
    (tmp_path / "p" / "cat" / "empty.png").touch()
    return list_folder(tmp_path / "p")


def test_workers_give_what_one_process_gives(listing, own_cache):
    seen = []
    alone = decoded.decoded(listing)
    pixels, facts = np.array(alone.array), np.array(alone.facts)
    cache.shutil.rmtree(own_cache)
    together = decoded.decoded(listing, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert np.array_equal(together.array, pixels)
    assert np.array_equal(together.facts, facts)
    assert together.left_out == alone.left_out
    assert sorted(seen)[-1] == (146, 146)


def test_pictures_are_decoded_once(listing, monkeypatch):
    first = decoded.decoded(listing)
    monkeypatch.setattr(decoded, "fill", lambda *_: pytest.fail("they were decoded again"))
    again = decoded.decoded(listing)
    assert np.array_equal(first.array, again.array)
    assert (first.said, first.left_out) == (again.said, again.left_out)


def test_a_changed_file_is_decoded_again(listing, tmp_path):
    decoded.decoded(listing)
    (tmp_path / "p" / "cat" / "0.png").write_bytes(encoded(drawn(999)))
    store = decoded.decoded(list_folder(tmp_path / "p"))
    assert np.array_equal(store.array[store.names.index("cat/0.png")], drawn(999))


def test_a_damaged_entry_is_made_anew(listing, own_cache):
    decoded.decoded(listing)
    (entry,) = own_cache.iterdir()
    (entry / "record.json").write_text("{")
    assert len(decoded.decoded(listing).array) == 146
    pixels = (entry / "pixels.npy").read_bytes()
    (entry / "pixels.npy").write_bytes(pixels[:500])
    assert len(decoded.decoded(listing).array) == 146


def test_two_processes_at_once(listing, own_cache):
    stores, threads = [], []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: stores.append(decoded.decoded(listing))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    assert all(np.array_equal(store.array, stores[0].array) for store in stores)
    assert len(list(own_cache.iterdir())) == 1


def test_a_failure_leaves_nothing_behind(listing, own_cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded, "fill", full)
    with pytest.raises(MachineError, match="No space left on device"):
        decoded.decoded(listing)
    assert list(own_cache.iterdir()) == []


def test_too_little_room_is_said_before_decoding(listing, monkeypatch):
    monkeypatch.setattr(cache, "MARGIN_BYTES", 2**62)
    with pytest.raises(MachineError, match="are free"):
        decoded.decoded(listing)


def test_a_folder_that_cannot_be_written(listing, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    store = decoded.decoded(listing)
    assert len(store.array) == 146
    assert "are not kept" in " ".join(store.said)


def test_old_entries_give_way(listing, tmp_path, own_cache, monkeypatch):
    decoded.decoded(listing)
    monkeypatch.setattr(cache, "MOST_BYTES", 1)
    folder_of(tmp_path / "q", {"cat": 3})
    decoded.decoded(list_folder(tmp_path / "q"))
    assert len(list(own_cache.iterdir())) == 1


def test_a_file_that_kills_its_decoder_is_named(listing, monkeypatch, tmp_path):
    """The worker is replaced by a program that dies of one file."""
    script = tmp_path / "deadly.py"
    script.write_text(
        "import os, sys, json\n"
        "from annvil.kinds.pictures.reading import chunks\n"
        "real = chunks.Decoder._one\n"
        "def one(self, place):\n"
        "    if place.endswith('cat/3.png'):\n"
        "        os.kill(os.getpid(), 11)\n"
        "    return real(self, place)\n"
        "chunks.Decoder._one = one\n"
        "chunks.serve(sys.stdin, sys.stdout)\n"
    )
    start = subprocess.Popen
    monkeypatch.setattr(filling.subprocess, "Popen", lambda command, **k: start([sys.executable, str(script)], **k))
    store = decoded.decoded(listing, workers=2)
    assert {left.name: left.reason for left in store.left_out} == {
        "cat/3.png": "crashes its decoder",
        "cat/empty.png": "is empty (0 bytes)",
    }
    assert np.array_equal(store.array[store.names.index("cat/4.png")], drawn(4))


def test_no_process_is_left_when_the_decoding_is_stopped(listing, monkeypatch):
    made = []
    start = filling._Worker._start
    monkeypatch.setattr(filling._Worker, "_start", lambda self: made.append(start(self)) or made[-1])

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoded.decoded(listing, workers=2, progress=stop)
    assert made
    assert all(process.poll() is not None for process in made)


def test_colour_files_that_show_grey_keep_one_channel(tmp_path):
    for row in range(5):
        pixels = np.repeat(drawn(row, channels=1)[..., None], 3, axis=2)
        (tmp_path / f"{row}.png").write_bytes(encoded(pixels))
    store = decoded.decoded(list_folder(tmp_path))
    assert store.form.channels == 1
    assert np.array_equal(store.array[2, :, :, 0], drawn(2, channels=1))
    assert "show grey only" in " ".join(store.said)


def test_colour_that_the_sample_missed_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(decoded, "LOOKED_OVER", 2)
    for row in range(9):
        (tmp_path / f"{row}.png").write_bytes(encoded(drawn(row, channels=3 if row == 4 else 1)))
    store = decoded.decoded(list_folder(tmp_path))
    assert store.form.channels == 3
    assert np.array_equal(store.array[4], drawn(4))
    assert "8 of 9 pictures are grey" in " ".join(store.said)


def test_deep_pictures_share_one_range(tmp_path):
    for row, top in enumerate((1000, 2000, 4000)):
        values = (drawn(row, channels=1).astype(np.float64) / 255 * top).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / f"{row}.png")
    store = decoded.decoded(list_folder(tmp_path))
    assert store.form.has_range
    assert 3500 < store.form.high <= 4000
    brightest = store.array.max(axis=(1, 2, 3))
    assert brightest[0] < brightest[1] < brightest[2]
    assert "more than 8 bits" in " ".join(store.said)


def test_nothing_to_decode(tmp_path):
    (tmp_path / "a.png").write_text("text")
    (tmp_path / "b.png").touch()
    with pytest.raises(DataError, match=r"None of the 2 picture files of .* can be used: a.png holds text"):
        decoded.decoded(list_folder(tmp_path))


def test_a_decoder_writes_each_row_at_its_place(tmp_path):
    target = tmp_path / "t"
    target.write_bytes(bytes(7 + 4 * 12))
    for row in range(4):
        (tmp_path / f"{row}.png").write_bytes(encoded(np.full((2, 2, 3), 10 * row + 1, dtype=np.uint8)))
    order = Order(str(target), 7, PictureForm(2, 2, 3), None)
    decoder = Decoder(Order.from_json(order.to_json()))
    decoder.decode(2, [str(tmp_path / "2.png"), str(tmp_path / "3.png")])
    decoder.decode(0, [str(tmp_path / "0.png"), str(tmp_path / "gone.png")])
    decoder.close()
    assert target.read_bytes() == bytes(7) + bytes([1] * 12) + bytes(12) + bytes([21] * 12) + bytes([31] * 12)


def test_names_of_any_bytes_reach_the_workers():
    order = Order("t", 0, PictureForm(2, 2, 3), "caf\udce9.zip")
    assert Order.from_json(order.to_json()) == order
    line = json.dumps([0, ["caf\udce9.png", "猫\n.png"]])
    assert json.loads(line)[1] == ["caf\udce9.png", "猫\n.png"]
    assert line.isascii()
