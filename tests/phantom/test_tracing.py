"""Tracer experiments of the phantom: known answers, records, mirroring, damage, determinism."""

import numpy as np
import pytest
from scipy.ndimage import label

from mesomode.phantom.connectivity import CONTRALATERAL
from mesomode.phantom.injection import VOXEL_MM3
from mesomode.phantom.settings import Settings
from mesomode.phantom.tracing import make_tracing


@pytest.fixture(scope="module")
def quiet():
    """No noise, half of the injections left."""
    return make_tracing(Settings(size="tiny", noise=0, left_fraction=0.5, bad_tissue=False), 7)


@pytest.fixture(scope="module")
def noisy():
    return make_tracing(Settings(size="tiny", experiments=12), 8)


def in_reference(tracing, number):
    """Volumes with the injection in the right hemisphere."""
    flip = -1 if tracing.experiments[number].plan.left else 1
    return {name: v[:, :, ::flip] for name, v in tracing.volumes(number).items()}


def test_projection_without_noise_is_the_weights_times_the_injection(quiet):
    at = tuple(quiet.region.voxels.T)
    mirrored = (at[0], at[1], 113 - at[2])
    for number in range(len(quiet.experiments)):
        volumes = in_reference(quiet, number)
        injection = volumes["injection_density"][at].astype(float)
        np.testing.assert_array_equal(injection, quiet.injection[:, number])
        expected = quiet.weights.astype(float) @ injection
        outside = volumes["injection_density"][at] == 0
        found = volumes["projection_density"][at]
        np.testing.assert_allclose(found[outside], np.clip(expected, 0, 1)[outside], atol=2e-6)
        across = np.clip(CONTRALATERAL * expected, 0, 1)
        np.testing.assert_allclose(volumes["projection_density"][mirrored], across, atol=2e-6)
        # inside the injection the labelled cell bodies add to it
        inside = ~outside
        total = np.clip(expected + injection, 0, 1)
        np.testing.assert_allclose(found[inside], total[inside], atol=2e-6)
        nowhere = np.ones(found.shape[:0] + quiet.atlas.annotation.shape, dtype=bool)
        nowhere[at] = nowhere[mirrored] = False
        nowhere &= volumes["injection_density"] == 0
        assert (volumes["projection_density"][nowhere] == 0).all()


def test_volumes_are_densities(noisy):
    for number in range(len(noisy.experiments)):
        for name, volume in noisy.volumes(number).items():
            assert volume.dtype == np.float32 and volume.shape == (132, 80, 114)
            assert volume.min() >= 0 and volume.max() <= 1, name
        volumes = noisy.volumes(number)
        assert (volumes["injection_fraction"] >= volumes["injection_density"]).all()
        outside = noisy.atlas.annotation == 0
        assert (volumes["injection_density"][outside] == 0).all()


def test_records_say_where_and_how_large_the_injection_is(noisy):
    for number, experiment in enumerate(noisy.experiments):
        record = experiment.record
        density = noisy.volumes(number)["injection_density"].astype(float)
        assert record["injection_volume"] == pytest.approx(density.sum() * VOXEL_MM3, rel=1e-5)
        places = (np.argwhere(density > 0) + 0.5) * 100
        centroid = (places * density[density > 0][:, None]).sum(0) / density.sum()
        found = [record[f"injection_{axis}"] for axis in "xyz"]
        np.testing.assert_allclose(found, centroid, atol=0.51)
        assert (record["injection_z"] < 5700) == experiment.plan.left
        listed = [int(part) for part in record["injection_structures"].split("/")]
        assert record["structure_id"] in listed
        assert "id" not in record and record["data_set_id"] == experiment.plan.identifier


def test_injections_are_in_one_piece(noisy):
    for number in range(len(noisy.experiments)):
        assert label(noisy.volumes(number)["injection_density"] > 0)[1] == 1


def test_only_the_usable_ones_meet_the_criteria(noisy):
    region = np.zeros((132, 80, 114), dtype=bool)
    region[tuple(noisy.region.voxels.T)] = True
    usable = []
    for number, experiment in enumerate(noisy.experiments):
        volumes = in_reference(noisy, number)
        fraction = volumes["injection_fraction"]
        inside = fraction[region].sum() / fraction.sum()
        size = experiment.record["injection_volume"]
        voxels = (volumes["injection_density"][region] > 0).sum()
        wild_type = experiment.record["transgenic_line"] is None
        meets = inside >= 0.95 and size < 0.7 and voxels >= 3 and wild_type
        assert meets == (experiment.plan.kind == "usable"), experiment.plan
        usable.append(meets)
    assert sum(usable) == 12 and len(usable) == 16


def test_left_injections_are_mirrored_right_ones(quiet):
    left = [e.plan.left for e in quiet.experiments]
    assert any(left) and not all(left)
    for number, is_left in enumerate(left):
        density = quiet.volumes(number)["injection_density"]
        ml = np.argwhere(density > 0)[:, 2]
        assert (ml < 57).all() if is_left else (ml >= 57).all()


def test_fraction_of_left_injections():
    for fraction, expected in ((0.0, 0), (1.0, 7)):
        settings = Settings(size="tiny", experiments=3, left_fraction=fraction)
        tracing = make_tracing(settings, 3)
        assert sum(e.plan.left for e in tracing.experiments) == expected


def test_bad_tissue_is_masked_garbage_that_spares_the_injection(noisy):
    damaged = [n for n, e in enumerate(noisy.experiments) if e.damage is not None]
    assert 0 < len(damaged) < len(noisy.experiments)
    for number, experiment in enumerate(noisy.experiments):
        volumes = noisy.volumes(number)
        bad = volumes["data_mask"] < 1
        assert bad.any() == (experiment.damage is not None)
        assert not (bad & (volumes["injection_density"] > 0)).any()
        gone = volumes["data_mask"] == 0
        if gone.sum() > 30:
            garbage = volumes["projection_density"][gone]
            assert abs(garbage.mean() - 0.5) < 0.2 and garbage.std() > 0.2


def test_noise_is_as_strong_as_stated(quiet):
    loud = make_tracing(Settings(size="tiny", noise=0.1, left_fraction=0.5, bad_tissue=False), 7)
    at = tuple(quiet.region.voxels.T)
    scaled = []
    for number in range(len(quiet.experiments)):
        expected = in_reference(quiet, number)["projection_density"][at].astype(float)
        found = in_reference(loud, number)["projection_density"][at]
        free = (expected > 0.3) & (expected < 0.6) & (quiet.injection[:, number] == 0)
        spread = 0.1 * (0.3 + np.sqrt(expected[free]))
        scaled.append((found[free] - expected[free]) / spread)
    scaled = np.concatenate(scaled)
    assert scaled.size > 100
    assert scaled.std() == pytest.approx(1, abs=0.1) and abs(scaled.mean()) < 0.15


def test_same_seed_same_phantom_other_seed_another():
    settings = Settings(size="tiny", experiments=4)
    first, again, other = (make_tracing(settings, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.weights, again.weights)
    np.testing.assert_array_equal(first.injection, again.injection)
    for number in range(len(first.experiments)):
        a, b = first.volumes(number), again.volumes(number)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
        assert first.experiments[number].record == again.experiments[number].record
    assert not np.array_equal(first.weights, other.weights)
    assert not np.array_equal(first.injection, other.injection)
