"""Connectomes from files of one's own."""

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

from mesomode.connectome.sources import import_connectome
from mesomode.errors import DataError

MATRIX = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.0, 3.0]])  # rows: sources


@pytest.fixture
def archive(tmp_path):
    np.savez(
        tmp_path / "c.npz",
        chem=MATRIX,
        names=np.array(["a", "b", "c"]),
        pre=np.array([10, 10, 30, 10]),
        post=np.array([20, 30, 10, 20]),
        syn=np.array([1.0, 2.0, 4.0, 0.5]),
        row=np.array([0, 0, 1, 2]),
        column=np.array([1, 2, 0, 2]),
        keep=np.array([True, False, True]),
    )
    return tmp_path / "c.npz"


def test_orientation_is_stated(archive):
    read = import_connectome(archive)
    assert read.weights.dtype == np.float32
    assert_array_equal(read.weights, MATRIX.T)  # (target, source)
    other = import_connectome(archive, key="chem", orientation="target_by_source")
    assert_array_equal(other.weights, MATRIX)
    assert_array_equal(read.source_unit, [0, 1, 2])


def test_edge_list_with_ids_of_ones_own(archive):
    read = import_connectome(archive, edge_keys=("pre", "post", "syn"))
    assert_array_equal(read.source_unit, [10, 20, 30])
    assert_array_equal(read.target_unit, [10, 20, 30])
    assert_array_equal(read.weights, [[0, 0, 4], [1.5, 0, 0], [2, 0, 0]])  # from 10 to 20: 1.5


def test_edge_list_and_matrix_with_a_mask(archive):
    read = import_connectome(archive, edge_keys=("row", "column", "syn"), mask_key="keep")
    assert_array_equal(read.source_unit, [0, 2])
    assert_array_equal(read.weights, [[0, 0], [2, 0.5]])
    read = import_connectome(archive, key="chem", mask_key="keep")
    assert_array_equal(read.weights, MATRIX.T[np.ix_([0, 2], [0, 2])])
    assert_array_equal(read.target_unit, [0, 2])


def test_ids_above_double_precision_stay_apart(tmp_path):
    base = 2**60
    np.savez(tmp_path / "c.npz", a=np.array([base, base + 1]), b=np.array([base + 1, base]),
             w=np.array([1.0, 2.0]))  # fmt: skip
    read = import_connectome(tmp_path / "c.npz", edge_keys=("a", "b", "w"))
    assert_array_equal(read.source_unit, [base, base + 1])
    assert_array_equal(read.weights, [[0, 2], [1, 0]])


def test_csv_matrix_and_edge_list(tmp_path):
    matrix = tmp_path / "m.csv"
    matrix.write_text("\n".join(",".join(map(str, row)) for row in MATRIX[:2]) + "\n")
    assert_array_equal(import_connectome(matrix).weights, MATRIX[:2].T)  # need not be square
    edges = tmp_path / "e.csv"
    edges.write_text("from, to, n\n3,4,2\n4,4,1\n")
    read = import_connectome(edges, edge_keys=("from", "to", "n"))
    assert_array_equal(read.weights, [[0, 0], [2, 1]])


def test_zarr(tmp_path):
    group = zarr.open_group(tmp_path / "c.zarr", mode="w")
    group.create_array("weights", data=MATRIX)
    read = import_connectome(tmp_path / "c.zarr", orientation="target_by_source")
    assert_array_equal(read.weights, MATRIX)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"w": MATRIX}, {"key": "v"}, r"no array or column 'v'[\s\S]*w \(3, 3\)"),
        ({"w": MATRIX, "v": MATRIX}, {}, r"2 matrices \(w, v\)[\s\S]*connectome.file_key"),
        ({"w": MATRIX[0]}, {}, "no matrix"),
        ({"w": MATRIX[0]}, {"key": "w"}, "1 dimensions"),
        ({"w": -MATRIX}, {}, "4 weights are negative, the smallest -3"),
        ({"w": np.where(MATRIX == 1, np.nan, MATRIX)}, {}, "1 of 9 weights are NaN"),
        ({"w": np.zeros((0, 3))}, {}, "empty"),
        ({"w": 0 * MATRIX}, {}, "all weights are zero"),
        ({"w": np.array([["a", "b"]])}, {"key": "w"}, "does not consist of numbers"),
        ({"w": MATRIX}, {"orientation": "sideways"}, "unknown orientation"),
        ({"w": MATRIX, "m": np.ones(2, bool)}, {"key": "w", "mask_key": "m"}, "does not fit"),
        ({"w": MATRIX, "m": np.ones(3)}, {"key": "w", "mask_key": "m"}, "not a mask"),
        (
            {"a": np.array([1]), "b": np.array([1, 2]), "w": np.array([1])},
            {"edge_keys": ("a", "b", "w")},
            "different lengths",
        ),
        (
            {"a": np.array([0.5]), "b": np.array([1]), "w": np.array([1])},
            {"edge_keys": ("a", "b", "w")},
            "not whole numbers",
        ),
        (
            {"a": np.array([7]), "b": np.array([1]), "w": np.array([1]), "m": np.ones(3, bool)},
            {"edge_keys": ("a", "b", "w"), "mask_key": "m"},
            "1 to 7 are not positions",
        ),
    ],
)
def test_bad_content_is_refused(tmp_path, arrays, options, message):
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(DataError, match=message):
        import_connectome(tmp_path / "c.npz", **options)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        import_connectome(tmp_path / "none.npz")
    (tmp_path / "c.mat").write_bytes(b"")
    with pytest.raises(DataError, match=r"'\.mat' cannot be read[\s\S]*\.npz, \.csv, \.zarr"):
        import_connectome(tmp_path / "c.mat")
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="cannot be read"):
        import_connectome(tmp_path / "c.npz")
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    with pytest.raises(DataError, match="cannot be read"):
        import_connectome(tmp_path / "ragged.csv")
    (tmp_path / "named.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="does not consist of numbers"):
        import_connectome(tmp_path / "named.csv")


def test_objects_are_never_unpickled(tmp_path):
    evil = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "c.npz", evil=evil, w=MATRIX)
    assert import_connectome(tmp_path / "c.npz").weights.shape == (3, 3)
    with pytest.raises(DataError, match="no array or column 'evil'"):
        import_connectome(tmp_path / "c.npz", key="evil")


@pytest.mark.parametrize(
    ("name", "options", "units", "connections", "total"),
    [
        ("celegans_cook2019_herm.npz", {"key": "chem"}, 298, 3652, 20636),
        (
            "drosophila_larva_winding2023.npz",
            {"edge_keys": ("pre", "post", "syn"), "mask_key": "selected_lcc"},
            2952,
            110677,
            352611,
        ),
        ("drosophila_larva_MB_left.npz", {}, 209, None, None),
        ("mouse_v1_l23_microns_phase1.npz", {"key": "adj"}, 363, 1752, 1981),
    ],
)
def test_electron_microscopy_connectomes(shared_data, name, options, units, connections, total):
    """Counts as their sources state them."""
    read = import_connectome(shared_data / "em_connectomes" / name, **options)
    assert read.weights.shape == (units, units)
    if connections is not None:
        assert (read.weights > 0).sum() == connections
        assert read.weights.sum(dtype=float) == pytest.approx(total, rel=1e-6)
