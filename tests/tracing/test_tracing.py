"""Selection and sampling of tracer experiments."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mesomode import ccf
from mesomode.atlas.stage import SCHEMA as ATLAS
from mesomode.errors import DataError
from mesomode.steps import Provenance, run_step
from mesomode.store import open_store, write_store
from mesomode.tracing.sampling import VOLUMES, sample_experiment
from mesomode.tracing.selection import REASONS, reason_by_injection, reason_by_record
from mesomode.tracing.settings import Settings
from mesomode.tracing.stage import SCHEMA, tracing

SHAPE = ccf.SHAPES[100]
GRID = (np.argwhere(np.ones((6, 5, 8), bool)) + np.array([80, 10, 70])).astype(np.int32)


def volumes(seed: int = 0, centre=(83, 12, 74), radius: float = 2.0) -> dict[str, np.ndarray]:
    """A ball-shaped injection and projections everywhere."""
    rng = np.random.default_rng(seed)
    axes = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    distance = np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)))
    fraction = np.clip(1.5 - distance / radius, 0, 1).astype(np.float32)
    return {
        "injection_fraction": fraction,
        "injection_density": (0.8 * fraction).astype(np.float32),
        "projection_density": rng.random(SHAPE, dtype=np.float32),
        "data_mask": np.ones(SHAPE, np.float32),
    }


def sample(v, **options):
    defaults = {"flip": False, "injection_shell": 0, "data_mask_threshold": 0.5}
    return sample_experiment(v, GRID, GRID, resolution_um=100, **{**defaults, **options})


def test_sampling_equals_the_slow_twin() -> None:
    v = volumes()
    v["data_mask"][80:82] = 0.2
    v["projection_density"][85, 14] = -1
    column = sample(v)
    for i, (ap, dv, ml) in enumerate(GRID):
        injected = v["injection_fraction"][ap, dv, ml] > 0 or v["injection_density"][ap, dv, ml] > 0
        bad = v["data_mask"][ap, dv, ml] < 0.5 or v["projection_density"][ap, dv, ml] < 0
        assert column.injection_density[i] == v["injection_density"][ap, dv, ml]
        assert column.observed[i] == (not injected and not bad)
        if column.observed[i]:
            assert column.projection_density[i] == v["projection_density"][ap, dv, ml]
        else:
            assert np.isnan(column.projection_density[i])
    assert column.injection_total == pytest.approx(v["injection_fraction"].sum())


def test_a_left_injection_gives_what_its_mirror_image_gives() -> None:
    right = volumes()
    left = {name: ccf.flip_hemispheres(v) for name, v in right.items()}
    a, b = sample(right), sample(left, flip=True)
    for name in ("injection_density", "projection_density", "observed", "centroid"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_the_centroid_is_where_the_injection_is() -> None:
    np.testing.assert_allclose(sample(volumes()).centroid, [8350, 1250, 7450], atol=1)


@given(shell=st.integers(0, 4))
@hypothesis_settings(derandomize=True, max_examples=5, deadline=None)
def test_a_wider_shell_only_hides_more(shell: int) -> None:
    v = volumes()
    inner = sample(v, injection_shell=shell).observed
    outer = sample(v, injection_shell=shell + 1).observed
    assert not (outer & ~inner).any()
    assert outer.sum() < inner.sum()


def test_a_higher_data_mask_threshold_only_hides_more() -> None:
    v = volumes()
    v["data_mask"][80:84] = np.linspace(0, 1, 4)[:, None, None]
    counts = []
    for threshold in (0.0, 0.3, 0.5, 0.9, 1.0):
        observed = sample(v, data_mask_threshold=threshold).observed
        bad = v["data_mask"][tuple(GRID.T)] < threshold
        assert not observed[bad].any()
        np.testing.assert_array_equal(observed[~bad], sample(volumes()).observed[~bad])
        counts.append(observed.sum())
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_of_contralateral_targets_only_bad_tissue_is_hidden() -> None:
    """Neither the injection nor its shell reaches over: there are no injected cells."""
    v = volumes()
    other = GRID * [1, 1, -1] + [0, 0, SHAPE[2] - 1]
    v["data_mask"][tuple(other[:5].T)] = 0.2
    for shell in (0, 3):
        column = sample_experiment(
            v, GRID, other, flip=False, injection_shell=shell, data_mask_threshold=0.5,
            resolution_um=100,
        )  # fmt: skip
        assert not column.observed[:5].any() and column.observed[5:].all()
        assert column.injection_density.any()


@pytest.mark.parametrize("name", VOLUMES)
def test_nan_in_a_volume_is_refused_by_name(name: str) -> None:
    v = volumes()
    v[name][1, 2, 3] = np.nan
    with pytest.raises(DataError, match=f"1 voxels of the volume '{name}'") as caught:
        sample(v)
    assert "tracing.exclude" in str(caught.value)


RECORD = {"id": 5, "transgenic_line": None, "injection_volume": 0.3}
RULES = {"exclude": (), "transgenic_lines": "wild type", "maximum_injection_volume": 0.7}


@pytest.mark.parametrize(
    ("record", "rules", "fetched", "reason"),
    [
        ({}, {}, True, "kept"),
        ({}, {"exclude": (5,)}, True, "excluded_by_config"),
        ({"transgenic_line": "Emx1-IRES-Cre"}, {}, True, "other_transgenic_line"),
        ({"transgenic_line": "Emx1-IRES-Cre"}, {"transgenic_lines": "any"}, True, "kept"),
        (
            {"transgenic_line": "Emx1-IRES-Cre"},
            {"transgenic_lines": ("Emx1-IRES-Cre",)},
            True,
            "kept",
        ),
        ({}, {"transgenic_lines": ("Emx1-IRES-Cre",)}, True, "other_transgenic_line"),
        ({}, {}, False, "not_fetched"),
        ({"injection_volume": 0.71}, {}, True, "injection_too_large"),
    ],
)
def test_reasons_by_record(record, rules, fetched, reason) -> None:
    assert reason_by_record({**RECORD, **record}, fetched=fetched, **{**RULES, **rules}) == reason


@pytest.mark.parametrize(
    ("total", "inside", "voxels", "reason"),
    [
        (0.0, 0.0, 0, "empty_injection"),
        (10.0, 9.4, 9, "outside_the_regions"),
        (10.0, 9.5, 9, "kept"),
        (10.0, 10.0, 2, "too_few_voxels"),
    ],
)
def test_reasons_by_injection(total, inside, voxels, reason) -> None:
    limits = {"minimum_fraction_inside": 0.95, "minimum_injection_voxels": 3}
    assert reason_by_injection(total, inside, voxels, **limits) == reason


def record(identifier: int, **change) -> dict:
    return {**RECORD, "id": identifier, "injection_z": 7450, **change}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """An atlas of one region and five experiments, one a reason."""
    region = np.full(len(GRID), 385, np.int64)
    atlas = xr.Dataset(
        {
            "annotation": (ccf.AXES, np.zeros(SHAPE, np.uint32)),
            "template": (ccf.AXES, np.zeros(SHAPE, np.uint16)),
            "target_hemisphere": ("target", np.ones(len(GRID), np.int8)),
            **{
                f"{side}_{name}": ((side, "axis")[: value.ndim], value)
                for side in ("source", "target")
                for name, value in [
                    ("voxel", GRID.astype(np.int32)),
                    ("position", ccf.voxel_positions(GRID, 100)),
                    ("region", region),
                ]
            },
        },
        coords={n: np.zeros(s, np.float32) for n, s in zip(ccf.AXES, SHAPE, strict=True)},
        attrs={"resolution_um": 100, "regions": [{"id": 385, "acronym": "VISp"}]},
    )
    write_store(tmp_path / "atlas.zarr", atlas, ATLAS, Provenance("test"))
    mirrored = {n: ccf.flip_hemispheres(v) for n, v in volumes(2).items()}
    cases = {
        1: (record(1), volumes(1)),
        2: (record(2, injection_z=3950), mirrored),
        3: (record(3), volumes(3, centre=(60, 12, 74))),
        4: (record(4), {**volumes(4), "injection_fraction": np.zeros(SHAPE, np.float32)}),
        5: (record(5, injection_volume=0.9), volumes(5)),
        6: (record(6, transgenic_line="Emx1-IRES-Cre"), None),
        7: (record(7), None),
    }
    with h5py.File(tmp_path / "connectivity.h5", "w") as file:
        file.attrs.update(format=1, source="phantom", resolution_um=100, reader="test")
        file["experiments"] = np.bytes_(json.dumps([r for r, _ in cases.values()]))
        file.create_group("volumes")
        for identifier, (_, v) in cases.items():
            if v is not None:
                for name in VOLUMES:
                    file.create_dataset(f"volumes/{identifier}/{name}", data=v[name], compression=1)
    return {"raw": tmp_path / "connectivity.h5", "atlas": tmp_path / "atlas.zarr"}


def test_the_store_lists_every_experiment_with_its_reason(inputs, tmp_path: Path) -> None:
    out = tmp_path / "tracing.zarr"
    run_step(tracing, **inputs, out=out, settings=Settings())
    with open_store(out, SCHEMA) as store:
        assert store["experiment"].values.tolist() == [1, 2]
        found = {
            int(i): REASONS[r]
            for i, r in zip(
                store["candidate"].values, store["candidate_reason"].values, strict=True
            )
        }
        assert found == {
            1: "kept",
            2: "kept",
            3: "outside_the_regions",
            4: "empty_injection",
            5: "injection_too_large",
            6: "other_transgenic_line",
            7: "not_fetched",
        }
        assert store["flipped"].values.tolist() == [False, True]
        assert store["primary_region"].values.tolist() == [385, 385]
        x, y = store["injection_density"].values, store["projection_density"].values
        observed = store["observed"].values
        assert 0 <= x.min() <= x.max() <= 1
        np.testing.assert_array_equal(np.isnan(y), ~observed)
        assert not observed[x[:, 0] > 0, 0].any()
        np.testing.assert_array_equal(x[:, 0], x[:, 1])


def test_no_experiment_left_says_why(inputs, tmp_path: Path) -> None:
    settings = Settings(maximum_injection_volume=0.1)
    with pytest.raises(DataError, match="no tracer experiment is left") as caught:
        run_step(tracing, **inputs, out=tmp_path / "tracing.zarr", settings=settings)
    assert "injection_too_large" in str(caught.value)
    assert "maximum_injection_volume" in str(caught.value)
    assert not (tmp_path / "tracing.zarr").exists()


def test_nan_and_wrong_shape_name_the_experiment(inputs, tmp_path: Path) -> None:
    with h5py.File(inputs["raw"], "r+") as file:
        file["volumes/2/projection_density"][3, 3, 3] = np.nan
    with pytest.raises(DataError, match="not finite") as caught:
        run_step(tracing, **inputs, out=tmp_path / "tracing.zarr", settings=Settings())
    assert "experiment 2 in" in str(caught.value)
    run_step(tracing, **inputs, out=tmp_path / "tracing.zarr", settings=Settings(exclude=(2,)))
    with h5py.File(inputs["raw"], "r+") as file:
        del file["volumes/1/data_mask"]
        file["volumes/1/data_mask"] = np.ones((5, 5, 5), np.float32)
    with pytest.raises(DataError, match="does not fit the atlas"):
        run_step(tracing, **inputs, out=tmp_path / "tracing.zarr", settings=Settings(exclude=(2,)))
