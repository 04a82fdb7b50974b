"""Noise ceilings: known reliabilities, arranged trials, and what a true model reaches."""

import numpy as np
import pytest

from mesomode.comparison import noise_ceiling
from mesomode.comparison.noise_ceiling import NoiseCeiling, spearman_brown
from mesomode.comparison.representations import similarity_of_similarities
from mesomode.errors import DataError


def noisy_trials(rng, repeats, images, units, noise, dims=10):
    signal = rng.normal(size=(images, dims)) @ rng.normal(size=(dims, units)) / np.sqrt(dims)
    return signal, signal + noise * rng.normal(size=(repeats, images, units))


def test_spearman_and_brown():
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(0.5, 1) == 0.5
    assert spearman_brown(spearman_brown(0.3, 4), 0.25) == pytest.approx(0.3)
    assert spearman_brown(1.0) == 1
    assert np.isnan(spearman_brown(-1.0))


def test_the_ceiling_in_known_numbers():
    found = NoiseCeiling(np.array([0.4, 0.6]))
    assert found.raw == 0.5
    assert found.corrected == pytest.approx(2 / 3)
    assert found.explainable == pytest.approx(np.sqrt(2 / 3))
    values = found.normalised(0.4)
    assert values == pytest.approx({"raw": 0.4, "relative": 0.6, "explained": 0.4 / (2 / 3) ** 0.5})
    nothing = NoiseCeiling(np.array([-0.1]))
    assert np.isnan(nothing.explainable)
    assert np.isnan(nothing.normalised(0.2)["explained"])
    assert nothing.normalised(0.2)["raw"] == 0.2


def test_the_reliability_of_units_is_that_of_their_signal():
    """Signal variance over total variance of the mean of 10 trials."""
    rng = np.random.default_rng(0)
    noise = np.repeat([0.5, 2.0, 5.0], 40)
    signal, trials = noisy_trials(rng, 10, 400, 120, noise)
    found = noise_ceiling.reliability(trials, generator=rng)
    variance = signal.var(axis=0)
    expected = variance / (variance + noise**2 / 10)
    np.testing.assert_allclose(
        found.reshape(3, 40).mean(axis=1), expected.reshape(3, 40).mean(axis=1), atol=0.02
    )
    trials[:, :, 3] = 1
    assert np.isnan(noise_ceiling.reliability(trials, generator=rng, splits=2)[3])


@pytest.mark.parametrize(("noise", "tolerance"), [(1.0, 0.03), (2.0, 0.06), (4.0, 0.12)])
def test_a_true_model_reaches_the_explainable_ceiling(noise, tolerance):
    """Within a few per cent, and never much less; strong noise makes the ceiling too low."""
    rng = np.random.default_rng(1)
    signal, trials = noisy_trials(rng, 10, 60, 100, noise)
    ceiling = noise_ceiling.ceiling_over_trials(
        trials, similarity_of_similarities, generator=rng, splits=8
    )
    raw = similarity_of_similarities(signal, trials.mean(axis=0))
    found = ceiling.normalised(raw)
    assert ceiling.raw < found["raw"] < 0.99
    assert 0.97 < found["explained"] < 1 + tolerance
    # another recording with as many trials reaches the corrected ceiling
    other = (signal + noise * rng.normal(size=trials.shape)).mean(axis=0)
    between = similarity_of_similarities(other, trials.mean(axis=0))
    assert 0.94 < ceiling.normalised(between)["relative"] < 1 + 2 * tolerance


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_the_extrapolation_holds_for_strong_noise_where_spearman_and_brown_do_not(noise):
    rng = np.random.default_rng(7)
    found, corrected, between, model = [], [], [], []
    for _ in range(4):
        signal, trials = noisy_trials(rng, 10, 60, 100, noise)
        mean = trials.mean(axis=0)
        other = (signal + noise * rng.normal(size=trials.shape)).mean(axis=0)
        arguments = (trials, similarity_of_similarities)
        found.append(noise_ceiling.extrapolated_reliability(*arguments, generator=rng, splits=6))
        halves = noise_ceiling.ceiling_over_trials(*arguments, generator=rng, splits=6)
        corrected.append(halves.corrected)
        between.append(similarity_of_similarities(other, mean))
        model.append(similarity_of_similarities(signal, mean))
    assert np.mean(found) == pytest.approx(np.mean(between), rel=0.05)
    assert np.sqrt(np.mean(found)) == pytest.approx(np.mean(model), rel=0.03)
    if noise == 4:
        assert np.mean(corrected) < 0.92 * np.mean(between)


def test_the_extrapolation_recovers_its_own_law():
    """Similarities that follow the law exactly, whatever is drawn."""
    trials = np.repeat(np.eye(20)[:, None], 4, axis=1)  # a unit of its own for every trial

    for slope, curvature in ((2.0, 0.0), (1.0, 5.0)):

        def law(one, two, slope=slope, curvature=curvature):
            size = np.count_nonzero(one[0])
            assert np.count_nonzero(two[0]) == size
            assert not np.any(one * two)
            return 1 / (1 + slope / size + curvature / size**2)

        found = noise_ceiling.extrapolated_reliability(
            trials, law, generator=np.random.default_rng(8), splits=2
        )
        assert found == pytest.approx(1 / (1 + slope / 20 + curvature / 400), rel=1e-9)
    nothing = noise_ceiling.extrapolated_reliability(
        trials, lambda one, two: -0.1, generator=np.random.default_rng(8)
    )
    assert np.isnan(nothing)


def test_halves_without_noise_are_the_same_and_noise_alone_has_no_ceiling():
    rng = np.random.default_rng(2)
    signal, _ = noisy_trials(rng, 1, 20, 15, 0)
    same = noise_ceiling.ceiling_over_trials(
        np.stack([signal] * 3), similarity_of_similarities, generator=rng, splits=3
    )
    np.testing.assert_allclose(same.halves, 1)
    none = noise_ceiling.ceiling_over_trials(
        rng.normal(size=(6, 60, 40)), similarity_of_similarities, generator=rng
    )
    assert abs(none.raw) < 0.1


def test_halves_of_the_units():
    rng = np.random.default_rng(3)
    signal, _ = noisy_trials(rng, 1, 60, 400, 0)
    small, large = (
        noise_ceiling.ceiling_over_units(
            signal[:, :units], similarity_of_similarities, generator=rng
        )
        for units in (40, 400)
    )
    assert small.raw < large.raw < 1
    assert large.raw > 0.9
    expected = noise_ceiling.ceiling_over_units(
        signal[:, :200], similarity_of_similarities, generator=rng
    )
    assert expected.corrected == pytest.approx(large.raw, abs=0.03)


def test_every_half_is_of_different_trials_and_units():
    rng = np.random.default_rng(4)
    seen = []

    def overlap(one, two):
        seen.append((set(one.ravel()), set(two.ravel())))
        return 0.0

    trials = np.broadcast_to(2.0 ** np.arange(5)[:, None, None], (5, 4, 1))
    noise_ceiling.ceiling_over_trials(trials, overlap, generator=rng, splits=8)
    found = set()
    for one, two in seen:
        # sums of two different powers of two each, so that shared trials would show
        first, second = (int(2 * value) for value in (*one, *two))
        found.add(first)
        assert first & second == 0
        assert first.bit_count() == second.bit_count() == 2
    assert len(found) > 2
    seen.clear()
    noise_ceiling.ceiling_over_units(np.tile(np.arange(9), (4, 1)), overlap, generator=rng)
    assert all(len(one) == len(two) == 4 and not one & two for one, two in seen)


def test_trials_are_arranged_by_image():
    image = np.array([1, 0, 1, -1, 0, 1, 0, 1])
    responses = np.column_stack([np.arange(8.0), 10 + np.arange(8.0)])
    found = noise_ceiling.trials_by_image(responses, image, 2)
    np.testing.assert_array_equal(found[:, :, 0], [[1, 0], [4, 2], [6, 5]])
    responses[4, 1] = np.nan
    found = noise_ceiling.trials_by_image(responses, image, 2)
    np.testing.assert_array_equal(found[:, :, 1], [[11, 10], [16, 12]])
    with pytest.raises(DataError, match=r"(?s)1 of 2 images.*fewer than 3.*first image 0 with 2"):
        noise_ceiling.trials_by_image(responses, image, 2, trials=3)
    with pytest.raises(DataError, match=r"(?s)1 of 3 images.*fewer than 2.*first image 2 with 0"):
        noise_ceiling.trials_by_image(responses, image, 3)
    with pytest.raises(DataError, match="one image for each trial"):
        noise_ceiling.trials_by_image(responses, image[:-1], 2)


def test_what_cannot_be_split_is_refused():
    rng = np.random.default_rng(5)
    trials = rng.normal(size=(1, 10, 5))
    with pytest.raises(DataError, match="one trial of each image"):
        noise_ceiling.ceiling_over_trials(trials, similarity_of_similarities, generator=rng)
    with pytest.raises(DataError, match=r"(?s)1 trials of each image.*at least six"):
        noise_ceiling.extrapolated_reliability(trials, similarity_of_similarities, generator=rng)
    with pytest.raises(DataError, match="1 trials of 10 images"):
        noise_ceiling.reliability(trials, generator=rng)
    with pytest.raises(DataError, match=r"(?s)at least four units.*\(10, 3\)"):
        noise_ceiling.ceiling_over_units(
            trials[0, :, :3], similarity_of_similarities, generator=rng
        )
    holed = rng.normal(size=(4, 10, 5))
    holed[0, 1, 2] = np.nan
    with pytest.raises(DataError, match=r"(?s)filled array.*1 values not finite"):
        noise_ceiling.reliability(holed, generator=rng)
    with pytest.raises(ValueError, match="0 splits"):
        noise_ceiling.reliability(holed[1:], generator=rng, splits=0)
