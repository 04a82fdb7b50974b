"""The phantom through the real reader, atlas and tracing stages: what went in comes out."""

import json

import h5py
import numpy as np
import pytest

from mesomode.atlas.settings import Settings as AtlasSettings
from mesomode.atlas.stage import SCHEMA as ATLAS_SCHEMA
from mesomode.atlas.stage import atlas
from mesomode.fetch.stage import phantom_tracing, read_tracing
from mesomode.phantom.settings import Settings
from mesomode.steps import run_step
from mesomode.store import open_store
from mesomode.tracing.settings import Settings as TracingSettings
from mesomode.tracing.stage import SCHEMA as TRACING_SCHEMA
from mesomode.tracing.stage import tracing

REASONS = {
    "usable": "kept",
    "outside": "outside_the_regions",
    "too_large": "injection_too_large",
    "cre_line": "other_transgenic_line",
    "too_small": "too_few_voxels",
}


@pytest.mark.slow
def test_what_the_phantom_injects_and_where_arrives_in_the_tracing_store(tmp_path):
    raw = tmp_path / "raw"
    settings = Settings(size="small", experiments=10, left_fraction=0.5, noise=0)
    run_step(phantom_tracing, out=raw / "tracing.json", settings=settings, seed=3)
    run_step(read_tracing, manifest=raw / "tracing.json", out=tmp_path / "connectivity.h5")
    run_step(
        atlas, raw=tmp_path / "connectivity.h5", out=tmp_path / "atlas.zarr",
        settings=AtlasSettings(),
    )  # fmt: skip
    run_step(
        tracing, raw=tmp_path / "connectivity.h5", atlas=tmp_path / "atlas.zarr",
        out=tmp_path / "tracing.zarr", settings=TracingSettings(data_mask_threshold=1),
    )  # fmt: skip
    with h5py.File(raw / "truth.h5") as truth:
        weights, voxels = truth["weights"][:], truth["source_voxels"][:]
        injection, area = truth["injection"][:], truth["area_id"][:]
        identifiers = truth["experiment_id"][:]
        kinds = json.loads(bytes(truth.attrs["kinds"]))
    with open_store(tmp_path / "atlas.zarr", ATLAS_SCHEMA) as grid:
        np.testing.assert_array_equal(grid["source_voxel"].values, voxels)
        np.testing.assert_array_equal(grid["source_region"].values, area)
    with open_store(tmp_path / "tracing.zarr", TRACING_SCHEMA) as store:
        names = TRACING_SCHEMA.variables["candidate_reason"].flags
        reasons = {
            str(identifier): names[reason]
            for identifier, reason in zip(
                store["candidate"].values.tolist(), store["candidate_reason"].values, strict=True
            )
        }
        assert reasons == {identifier: REASONS[kind] for identifier, kind in kinds.items()}
        kept = store["experiment"].values
        column = [int(np.flatnonzero(identifiers == identifier)[0]) for identifier in kept]
        np.testing.assert_array_equal(store["injection_density"].values, injection[:, column])
        found, observed = store["projection_density"].values, store["observed"].values
        expected = np.clip(weights.astype(float) @ injection[:, column], 0, 1)
        # the damaged voxels and the injections are not observed, all others are exact
        assert 0.6 < observed.mean() < 1
        np.testing.assert_allclose(found[observed], expected[observed], atol=2e-6)
        assert 0 < store["flipped"].values.sum() < len(kept)
