"""Stores are whole or absent, opened by other tools, and damage is found."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mesomode.errors import StoreError
from mesomode.steps import Provenance
from mesomode.store import (
    Schema,
    Variable,
    chunk_shapes,
    export_store,
    open_store,
    store_digest,
    verify_store,
    write_store,
)

SCHEMA = Schema(
    "example",
    {
        "target": Variable(("target",), "int64", "1", "id"),
        "weights": Variable(("target", "source"), "float32", "1", "weights; NaN where unknown"),
        "side": Variable(("target",), "int8", "1", "side", flags=("left", "right")),
        "seen": Variable(("target",), "bool", "1", "whether it was seen"),
        "gain": Variable((), "float64", "1", "gain"),
        "extra": Variable(("source",), "float64", "1", "optional", optional=True),
    },
)


def example(size: int = 300) -> xr.Dataset:
    rng = np.random.default_rng(1)
    weights = rng.random((size, size)).astype(np.float32)
    weights[3, 4] = np.nan
    return xr.Dataset(
        {
            "weights": (("target", "source"), weights),
            "side": ("target", (np.arange(size) % 2).astype(np.int8)),
            "seen": ("target", np.zeros(size, bool)),
            "gain": ((), 1.5),
        },
        coords={"target": np.arange(size)},
        attrs={"regions": [{"id": 385, "acronym": "VISp"}]},
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "example.zarr"
    write_store(path, example(), SCHEMA, Provenance("test", settings={"a": 1}, seed=3))
    return path


def chunk_files(store: Path, array: str) -> list[Path]:
    return sorted(p for p in (store / array / "c").rglob("*") if p.is_file())


def test_round_trip_keeps_values_units_flags_and_attributes(store: Path) -> None:
    with open_store(store, SCHEMA) as found:
        xr.testing.assert_equal(found.load(), example())
        assert found["side"].attrs["flag_meanings"] == "left right"
        assert found["weights"].attrs["units"] == "1"
        assert found.attrs["regions"] == [{"id": 385, "acronym": "VISp"}]
        record = found.attrs["mesomode"]
    assert record["settings"] == {"a": 1}
    assert record["seed"] == 3
    assert set(record["digests"]) == {"weights", "side", "seen", "gain", "target"}
    assert verify_store(store) == []


def test_plain_xarray_and_plain_zarr_open_it(store: Path) -> None:
    with xr.open_zarr(store, consolidated=False) as plain:
        np.testing.assert_array_equal(plain["weights"].values, example()["weights"].values)
    group = zarr.open_group(store, mode="r")
    assert np.isnan(group["weights"].fill_value)
    assert group["weights"].metadata.dimension_names == ("target", "source")
    np.testing.assert_array_equal(group["target"][:], np.arange(300))


def test_same_content_has_the_same_digest_and_other_content_another(tmp_path: Path) -> None:
    first = write_store(tmp_path / "a.zarr", example(), SCHEMA, Provenance("test"))
    second = write_store(tmp_path / "b.zarr", example(), SCHEMA, Provenance("test"))
    changed = example()
    changed["weights"][0, 0] += 1
    third = write_store(tmp_path / "c.zarr", changed, SCHEMA, Provenance("test"))
    assert first == second == store_digest(tmp_path / "a.zarr")
    assert third != first


def test_arrays_of_fill_values_are_written_so_that_a_lost_chunk_shows(store: Path) -> None:
    for file in chunk_files(store, "seen"):
        file.unlink()
    assert any("'seen'" in problem for problem in verify_store(store))
    with pytest.raises(StoreError, match=r"0 of 1 files of chunks"):
        open_store(store)


def test_a_flipped_byte_is_found(store: Path) -> None:
    file = chunk_files(store, "weights")[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    assert any("'weights'" in problem for problem in verify_store(store))


def test_a_value_changed_in_place_is_found(store: Path) -> None:
    group = zarr.open_group(store, mode="r+")
    group["gain"][...] = 2.0
    assert verify_store(store) == ["array 'gain' differs from its recorded digest"]


def test_an_array_removed_or_added_is_found(store: Path) -> None:
    shutil.rmtree(store / "gain")
    zarr.open_group(store, mode="r+").create_array("other", data=np.ones(3))
    assert verify_store(store) == ["array 'gain' is missing", "array 'other' is not recorded"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("weights"), "'weights' is missing"),
        (lambda d: d.assign(more=("x", [1.0])), "'more' is not declared"),
        (lambda d: d.assign(side=("target", np.ones(300))), "'side' has type float64"),
        (
            lambda d: d.assign(seen=("source", np.zeros(300, bool))),
            r"'seen' has dimensions \('source',\)",
        ),
    ],
)
def test_what_does_not_match_the_declaration_is_refused(tmp_path: Path, change, message) -> None:
    with pytest.raises(StoreError, match=message):
        write_store(tmp_path / "x.zarr", change(example()), SCHEMA, Provenance("test"))
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_another_kind_or_format_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="of the kind 'example' where 'network' is needed"):
        open_store(store, Schema("network", {}))
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "none.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(StoreError, match="not a store written by mesomode"):
        open_store(tmp_path / "empty.zarr")


def test_a_failed_write_leaves_the_old_store_and_no_rest(store: Path, monkeypatch) -> None:
    before = store_digest(store)

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", fail)
    with pytest.raises(OSError, match="No space"):
        write_store(store, example(), SCHEMA, Provenance("test"))
    assert store_digest(store) == before
    assert [p.name for p in store.parent.iterdir()] == ["example.zarr"]


def test_terms_of_the_data_are_inherited(tmp_path: Path) -> None:
    first = example()
    first.attrs["data_terms"] = "non-commercial"
    write_store(tmp_path / "a.zarr", first, SCHEMA, Provenance("test"))
    provenance = Provenance("test", parent_paths=(tmp_path / "a.zarr",))
    write_store(tmp_path / "b.zarr", example(), SCHEMA, provenance)
    with open_store(tmp_path / "b.zarr") as found:
        assert found.attrs["data_terms"] == "non-commercial"


def test_export_is_one_zip_that_zarr_opens_and_is_reproducible(store: Path) -> None:
    first, second = store.with_suffix(".zarr.zip"), store.with_name("again.zarr.zip")
    export_store(store, first)
    export_store(store, second)
    assert first.read_bytes() == second.read_bytes()
    archive = zarr.storage.ZipStore(first, mode="r")
    group = zarr.open_group(archive, mode="r")
    np.testing.assert_array_equal(group["weights"][:], example()["weights"].values)
    with xr.open_zarr(archive, consolidated=False) as plain:
        xr.testing.assert_equal(plain.load(), example())
    archive.close()
    with zipfile.ZipFile(first) as entries:
        assert len(entries.namelist()) == len(set(entries.namelist()))


def test_export_refuses_a_damaged_store(store: Path) -> None:
    chunk_files(store, "target")[0].unlink()
    with pytest.raises(StoreError, match="damaged"):
        export_store(store, store.with_suffix(".zip"))


@given(
    shape=st.lists(st.integers(1, 40_000), min_size=1, max_size=3),
    itemsize=st.sampled_from([1, 4, 8]),
)
@hypothesis_settings(derandomize=True, max_examples=200, deadline=None)
def test_chunks_are_small_and_shards_few_and_whole(shape: list[int], itemsize: int) -> None:
    chunks, shards = chunk_shapes(tuple(shape), itemsize)
    assert np.prod(chunks, dtype=float) * itemsize <= 1 << 20
    assert all(s % c == 0 for c, s in zip(chunks, shards, strict=True))
    count = np.prod([-(-n // s) for n, s in zip(shape, shards, strict=True)])
    assert count <= 8


def test_rows_and_columns_of_a_large_connectome_are_both_cheap() -> None:
    chunks, _ = chunk_shapes((7500, 7500), 4)
    assert max(chunks) / min(chunks) < 2.1


def test_the_time_stamp_of_snakemake_does_not_disturb(store: Path) -> None:
    (store / ".snakemake_timestamp").touch()
    assert verify_store(store) == []
    with open_store(store, SCHEMA) as found:
        assert found.sizes["source"] == 300
    export_store(store, store.with_suffix(".zip"))
