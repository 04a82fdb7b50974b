"""Frames, principal components, surrogates and maps."""

from __future__ import annotations

import numpy as np
import pytest

from mesomode.comparison import signals
from mesomode.comparison.dynamic_mode_decomposition import fit_dynamics
from mesomode.errors import DataError


def averaged_slowly(signal, ratio):
    """Overlap of every frame with every sample."""
    count = int(len(signal) / ratio + 1e-9)
    result = np.zeros((count, signal.shape[1]))
    for frame in range(count):
        for sample in range(len(signal)):
            overlap = min((frame + 1) * ratio, sample + 1) - max(frame * ratio, sample)
            result[frame] += max(overlap, 0.0) * signal[sample]
    return result / ratio


@pytest.mark.parametrize("ratio", [1.0, 2.0, 2.5, 7.3])
def test_averages_equal_the_overlaps(ratio):
    signal = np.random.default_rng(0).standard_normal((50, 3))
    np.testing.assert_allclose(
        signals.averaged(signal, 0.1, 0.1 * ratio), averaged_slowly(signal, ratio), atol=1e-12
    )


def test_a_gap_spoils_only_the_frames_it_touches():
    signal = np.ones((12, 1))
    signal[5] = np.nan
    average = signals.averaged(signal, 1.0, 2.0)[:, 0]
    assert np.isnan(average).tolist() == [False, False, True, False, False, False]
    np.testing.assert_allclose(average[[0, 1, 3, 4, 5]], 1.0)


def test_frames_shorter_than_samples_are_refused():
    with pytest.raises(DataError, match="at least one sample in a frame"):
        signals.averaged(np.ones((10, 1)), 0.4, 0.1)
    with pytest.raises(DataError, match="shorter than one frame"):
        signals.averaged(np.ones((3, 1)), 0.1, 1.0)


@pytest.mark.parametrize("shape", [(300, 12), (20, 40)])
def test_principal_components_are_those_of_the_singular_value_decomposition(shape):
    activity = np.random.default_rng(1).standard_normal(shape) @ np.diag(
        np.linspace(1, 3, shape[1])
    )
    activity = np.concatenate([activity, np.full((shape[0], 1), 4.0)], axis=1)  # never changes
    found = signals.principal_components(activity, 3)
    standard = activity[:, :-1] - activity[:, :-1].mean(axis=0)
    left, values, _ = np.linalg.svd(standard / standard.std(axis=0), full_matrices=False)
    expected = left[:, :3] * values[:3]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    again = signals.principal_components(activity[:, ::-1], 3)  # order of units and signs
    np.testing.assert_allclose(again, found, atol=1e-8)


def test_more_components_than_units_are_refused():
    with pytest.raises(DataError, match=r"(?s)2 units change.*lower comparison\.components"):
        signals.principal_components(np.random.default_rng(0).random((9, 2)), 3)


def test_phase_randomisation_keeps_spectra_and_breaks_relations():
    generator = np.random.default_rng(2)
    common = np.cumsum(generator.standard_normal((40, 64)), axis=1)
    trials = np.stack([common, common + 0.1 * generator.standard_normal(common.shape)], axis=2)
    surrogate = signals.phase_randomised(trials, generator)
    np.testing.assert_allclose(
        np.abs(np.fft.rfft(surrogate, axis=1)), np.abs(np.fft.rfft(trials, axis=1)), atol=1e-8
    )

    def relation(x):
        x = x - x.mean(axis=1, keepdims=True)
        return abs(np.mean(x[..., 0] * x[..., 1])) / np.mean(x**2)

    assert relation(trials) > 0.95
    assert relation(surrogate) < 0.3


def test_common_phases_would_leave_the_linear_dynamics_as_they_are():
    """Why the phases of the surrogates differ between channels."""
    generator = np.random.default_rng(3)
    mixing = 0.9 * np.linalg.qr(generator.standard_normal((3, 3)))[0]
    trials = np.zeros((20, 400, 3))
    for frame in range(1, 400):
        trials[:, frame] = trials[:, frame - 1] @ mixing.T + generator.standard_normal((20, 3))
    spectrum = np.fft.rfft(trials, axis=1)
    turn = np.exp(2j * np.pi * generator.random((20, spectrum.shape[1], 1)))
    turn[:, 0] = turn[:, -1] = 1.0
    common = np.fft.irfft(spectrum * turn, n=400, axis=1)
    own = signals.phase_randomised(trials, generator)

    def eigenvalues(x):
        return np.sort_complex(np.linalg.eigvals(fit_dynamics(x)))

    np.testing.assert_allclose(eigenvalues(common), eigenvalues(trials), atol=0.02)
    assert np.abs(eigenvalues(own) - eigenvalues(trials)).max() > 0.1


def test_shuffled_frames_are_the_same_frames():
    trials = np.random.default_rng(4).standard_normal((5, 7, 2))
    mixed = signals.shuffled(trials, np.random.default_rng(5))
    assert not np.array_equal(mixed, trials)
    np.testing.assert_array_equal(
        np.sort(mixed.reshape(-1, 2), axis=0), np.sort(trials.reshape(-1, 2), axis=0)
    )


def test_trials():
    signal = np.arange(22.0).reshape(11, 2)
    trials = signals.blocks(signal, 3)
    assert trials.shape == (3, 3, 2)
    np.testing.assert_array_equal(trials.reshape(-1, 2), signal[:9])
    with pytest.raises(DataError, match=r"(?s)fewer than a trial of 12.*trial_s"):
        signals.blocks(signal, 12)


def test_scaling_recovers_points_in_the_plane():
    points = np.random.default_rng(6).standard_normal((9, 2)) * [3.0, 1.0]
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    found = signals.classical_scaling(distance)
    np.testing.assert_allclose(
        np.linalg.norm(found[:, None] - found[None], axis=2), distance, atol=1e-9
    )
    assert signals.classical_scaling(np.zeros((1, 1))).tolist() == [[0.0, 0.0]]
