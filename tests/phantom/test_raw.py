"""The raw folder: NRRD as ITK writes it, records, the stored truth, reproducible bytes."""

import json
from hashlib import sha256

import h5py
import nrrd
import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.files import sha256_of
from mesomode.phantom.nrrd_writer import nrrd_bytes
from mesomode.phantom.raw import write_tracing, write_truth
from mesomode.phantom.settings import Settings
from mesomode.phantom.tracing import make_tracing

ITK_HEADER = b"""NRRD0004
# Complete NRRD file format specification at:
# http://teem.sourceforge.net/nrrd/format.html
type: float
dimension: 3
space: left-posterior-superior
sizes: 13 8 11
space directions: (100,0,0) (0,100,0) (0,0,100)
kinds: domain domain domain
endian: little
encoding: gzip
space origin: (0,0,0)

"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    tracing = make_tracing(Settings(size="tiny", experiments=4), 11)
    return folder, tracing, write_tracing(folder, tracing)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint32", "uint16", "uint8"])
def test_nrrd_is_read_back_with_the_same_axes(tmp_path, kind):
    volume = (np.random.default_rng(0).random((13, 8, 11)) * 200).astype(kind)
    content = nrrd_bytes(volume, 100)
    if kind == "float32":
        assert content.startswith(ITK_HEADER)
    path = tmp_path / "volume.nrrd"
    path.write_bytes(content)
    data, header = nrrd.read(str(path), index_order="F")
    np.testing.assert_array_equal(data, volume)
    assert data.dtype == volume.dtype and data.flags.f_contiguous
    assert ("endian" in header) == (volume.itemsize > 1)
    assert content == nrrd_bytes(np.asfortranarray(volume), 100)


def test_nrrd_refuses_what_allen_does_not_have():
    with pytest.raises(DataError, match="cannot be written as an Allen volume") as error:
        nrrd_bytes(np.zeros((2, 2), dtype=np.int64), 100)
    assert "int64 with 2 dimensions" in str(error.value)


def test_the_layout_is_that_of_the_sdk_cache(written):
    folder, _tracing, manifest = written
    connectivity = folder / "connectivity"
    rows = json.loads((connectivity / "experiments.json").read_text())
    assert len(rows) == 8 and all("data_set_id" in row for row in rows)
    structures = json.loads((connectivity / "structures.json").read_text())
    assert set(structures[0]) == {
        "acronym", "graph_id", "graph_order", "id", "name", "rgb_triplet",
        "structure_id_path", "structure_set_ids",
    }  # fmt: skip
    expected = {"annotation/ccf_2017/annotation_100.nrrd", "average_template_100.nrrd"}
    images = ("projection_density", "injection_density", "injection_fraction", "data_mask")
    expected |= {
        f"experiment_{row['data_set_id']}/{image}_100.nrrd" for row in rows for image in images
    }
    found = {p.relative_to(connectivity).as_posix() for p in connectivity.rglob("*.nrrd")}
    assert found == expected
    assert manifest["experiments"] == sorted(row["data_set_id"] for row in rows)
    assert manifest["source"] == "phantom" and manifest["resolution_um"] == 100


def test_volumes_on_disk_are_those_in_memory(written):
    folder, tracing, _ = written
    for number in (0, 5):
        identifier = tracing.experiments[number].plan.identifier
        for image, volume in tracing.volumes(number).items():
            path = folder / "connectivity" / f"experiment_{identifier}" / f"{image}_100.nrrd"
            np.testing.assert_array_equal(nrrd.read(str(path), index_order="F")[0], volume)
    path = folder / "connectivity/annotation/ccf_2017/annotation_100.nrrd"
    annotation = nrrd.read(str(path), index_order="F")[0]
    assert annotation.dtype == np.uint32
    np.testing.assert_array_equal(annotation, tracing.atlas.annotation)


def test_each_file_has_its_record_and_its_line_in_the_manifest(written):
    folder, _, manifest = written
    paths = [entry["path"] for entry in manifest["files"]]
    assert paths == sorted(paths)
    on_disk = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert on_disk == set(paths) | {path + ".fetch.json" for path in paths}
    for entry in manifest["files"]:
        path = folder / entry["path"]
        assert path.stat().st_size == entry["bytes"]
        assert sha256_of(path) == entry["sha256"]
        assert entry["url"] == "phantom:" + entry["path"]
        record = json.loads((path.parent / (path.name + ".fetch.json")).read_text())
        assert record["sha256"] == entry["sha256"] and record["fetched"] is None


def test_the_stored_truth(written):
    folder, tracing, _ = written
    with h5py.File(folder / "truth.h5") as file:
        np.testing.assert_array_equal(file["weights"][:], tracing.weights)
        np.testing.assert_array_equal(file["source_voxels"][:], tracing.region.voxels)
        np.testing.assert_array_equal(file["target_voxels"][:], tracing.region.voxels)
        assert (file["source_hemisphere"][:] == 1).all()
        annotation = tracing.atlas.annotation[tuple(file["source_voxels"][:].T)]
        paths = {s["id"]: s["structure_id_path"] for s in tracing.atlas.structures}
        for leaf, area in zip(annotation, file["area_id"][:], strict=True):
            assert area in paths[leaf]
        kinds = json.loads(bytes(file.attrs["kinds"]))
        assert sorted(kinds.values()).count("usable") == 4
        np.testing.assert_allclose(
            file["projection"][:], file["weights"][:] @ file["injection"][:], rtol=1e-4, atol=1e-6
        )


def test_the_same_seed_writes_the_same_bytes(written, tmp_path):
    _, _, manifest = written
    settings = Settings(size="tiny", experiments=4)
    assert write_tracing(tmp_path / "again", make_tracing(settings, 11)) == manifest
    other = make_tracing(settings, 12)
    write_truth(tmp_path / "other.h5", other)
    digests = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    assert sha256_of(tmp_path / "other.h5") != digests["truth.h5"]
    identifier = other.experiments[0].plan.identifier
    for image in ("projection_density", "injection_density"):
        content = nrrd_bytes(other.volumes(0)[image], 100)
        name = f"connectivity/experiment_{identifier}/{image}_100.nrrd"
        assert sha256(content).hexdigest() != digests[name]
