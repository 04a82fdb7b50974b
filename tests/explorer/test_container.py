"""What goes to the page comes back the same, and damage is noticed."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.explorer.container import from_script, pack, plain, script, unpack

ARRAYS = {
    "codes": np.arange(7, dtype=np.uint8),
    "wide": np.array([[0, 65535], [1, 2]], np.uint16),
    "place": np.array([-5, 7], np.int32),
    "weight": np.array([0.1, np.nan], np.float32),
    "exact": np.array([np.pi]),
    "none": np.empty((0, 3)),
}


def test_round_trip():
    description = {"text": 'λ, µm "quoted"', "list": [1, 2.5, None], "nested": {"a": True}}
    key, content = from_script(script("models/voxel/from-3", pack(description, ARRAYS)))
    found, arrays = unpack(content)
    assert key == "models/voxel/from-3" and found == description
    assert list(arrays) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_layout_that_the_page_reads():
    """Read by hand, as the page does: length, header, arrays at aligned places."""
    raw = gzip.decompress(pack({"a": 1}, {"one": ARRAYS["codes"], "two": ARRAYS["exact"]}))
    length = int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4 : 4 + length])
    assert (4 + length) % 8 == 0
    place = header["arrays"]["two"]
    assert place["start"] % 8 == 0 and place["type"] == "float64"
    begin = 4 + length + place["start"]
    assert np.frombuffer(raw[begin : begin + 8], "<f8")[0] == np.pi


def test_equal_content_gives_equal_bytes():
    assert pack({"a": 1, "b": 2}, ARRAYS) == pack({"b": 2, "a": 1}, dict(ARRAYS))


def test_numbers_that_json_does_not_know_become_null():
    values = {"a": np.float64(np.nan), "b": [np.inf, np.int64(3)], "c": np.array([1.0, np.nan])}
    assert plain(values) == {"a": None, "b": [None, 3], "c": [1.0, None]}


@pytest.mark.parametrize("cut", [0, 3, 40, -1])
def test_a_cut_container_is_refused(cut):
    with pytest.raises(DataError, match="damaged"):
        unpack(pack({"a": 1}, ARRAYS)[:cut])


def test_a_changed_byte_is_noticed():
    content = bytearray(pack({"a": 1}, {"x": np.arange(100.0)}))
    content[-6] ^= 1  # of the checksum
    with pytest.raises(DataError, match="damaged"):
        unpack(bytes(content))


def test_another_format_is_refused():
    raw = gzip.decompress(pack({}, {}))
    other = raw.replace(b'"format":1', b'"format":9')
    with pytest.raises(DataError, match="format 9, known: 1"):
        unpack(gzip.compress(other))


@pytest.mark.parametrize(
    "text", ["", 'mesomode("a","AAAA");', 'mesomode("a","AA\n', 'other("a","AAAA");\n']
)
def test_other_scripts_are_refused(text):
    with pytest.raises(DataError, match="not a data script"):
        from_script(text)


def test_scripts_are_plain_text_whatever_the_bytes():
    content = bytes(range(256))
    text = script("k", content)
    assert text.isascii() and base64.b64encode(content).decode() in text


def test_other_types_are_refused_by_name():
    with pytest.raises(DataError, match="int64"):
        pack({}, {"x": np.arange(3)})
