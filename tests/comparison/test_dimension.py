"""Participation ratio: known answers, invariances, and the estimator without bias."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesomode.comparison import dimension
from mesomode.errors import DataError


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def flat_traces(rng, frames, units, rank):
    """Traces whose sample covariance has exactly ``rank`` equal eigenvalues."""
    basis = rng.normal(size=(frames, rank))
    basis = np.linalg.qr(basis - basis.mean(axis=0))[0]
    return basis @ rotation(rng, units)[:rank]


@pytest.mark.parametrize("rank", [1, 3, 17])
@pytest.mark.parametrize("shape", [(200, 30), (25, 60)])
def test_a_flat_spectrum_of_rank_r_has_dimension_r(rank, shape):
    traces = flat_traces(np.random.default_rng(rank), *shape, rank)
    values = dimension.covariance_eigenvalues(traces)
    assert values.shape == (min(shape),)
    assert dimension.participation_ratio(values) == pytest.approx(rank, rel=1e-10)
    assert dimension.plain_moments(traces).participation_ratio == pytest.approx(rank, rel=1e-10)


def test_the_dual_gives_the_eigenvalues_of_the_covariance():
    traces = np.random.default_rng(0).normal(size=(20, 50)) * np.arange(1, 51)
    direct = np.linalg.eigvalsh(np.cov(traces.T, bias=True))[::-1][:20]
    np.testing.assert_allclose(dimension.covariance_eigenvalues(traces), direct, atol=1e-9)


def test_known_spectra():
    assert dimension.participation_ratio(np.array([2.0, 1.0])) == pytest.approx(9 / 5)
    assert dimension.participation_ratio(0.5 ** np.arange(60)) == pytest.approx(3)
    assert dimension.participation_ratio(np.full(4, 1e-200)) == pytest.approx(4)
    assert np.isnan(dimension.participation_ratio(np.zeros(3)))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(2, 12), st.integers(8, 40), st.integers(0, 10**6))
def test_invariances(units, frames, seed):
    rng = np.random.default_rng(seed)
    traces = rng.normal(size=(frames, units)) * rng.uniform(0.1, 3, units)
    reference = dimension.plain_moments(traces).participation_ratio
    assert 1 - 1e-9 <= reference <= min(frames - 1, units) + 1e-9
    cuts = np.array_split(np.arange(frames), 4)
    blocks = dimension.BlockMoments([traces[cut] for cut in cuts]).moments()
    shift = 50 * rng.normal(size=units)
    for changed in (
        traces[:, rng.permutation(units)],
        -7.5 * traces,
        traces @ rotation(rng, units),
        traces + shift,
        np.hstack([traces, np.zeros((frames, 2))]),
    ):
        moments = dimension.plain_moments(changed)
        assert moments.participation_ratio == pytest.approx(reference, rel=1e-7)
        other = dimension.BlockMoments([changed[cut] for cut in cuts]).moments()
        ratio = other.trace_squared / blocks.trace_squared
        assert other.square_trace == pytest.approx(
            ratio * blocks.square_trace, rel=1e-6, abs=1e-8 * abs(other.trace_squared)
        )


def test_repeating_all_frames_changes_nothing_and_noise_adds_dimensions():
    rng = np.random.default_rng(3)
    traces = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 20))
    plain = dimension.plain_moments(traces).participation_ratio
    again = dimension.plain_moments(np.vstack([traces, traces])).participation_ratio
    noisy = traces + rng.normal(size=traces.shape)
    assert again == pytest.approx(plain)
    assert dimension.plain_moments(noisy).participation_ratio > plain


def by_brute_force(blocks):
    """The three moments, as averages over all combinations of frames of different blocks."""
    products, traces, diagonals = [], [], []
    for a, b, c, d in itertools.permutations(range(len(blocks)), 4):
        for one, two, three, four in itertools.product(blocks[a], blocks[b], blocks[c], blocks[d]):
            left, right = one - two, three - four
            products.append(np.dot(left, right) ** 2 / 4)
            traces.append(np.dot(left, left) * np.dot(right, right) / 4)
            diagonals.append(np.sum(left**2 * right**2) / 4)
    return np.mean(traces), np.mean(products), np.mean(diagonals)


def test_the_estimator_equals_the_average_over_all_quadruples_of_frames():
    rng = np.random.default_rng(5)
    blocks = [rng.normal(size=(2, 3)) + 4 for _ in range(5)]
    moments = dimension.BlockMoments(blocks).moments()
    expected = by_brute_force(blocks)
    found = (moments.trace_squared, moments.square_trace, moments.diagonal_square)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_leaving_a_block_out_equals_starting_without_it():
    rng = np.random.default_rng(6)
    blocks = [rng.normal(size=(7, 4)) for _ in range(6)]
    estimate = dimension.BlockMoments(blocks)
    alone = dimension.BlockMoments(blocks[:2] + blocks[3:]).moments()
    part = estimate.moments(left_out=2)
    assert part.participation_ratio == pytest.approx(alone.participation_ratio, rel=1e-10)
    assert part.diagonal_square == pytest.approx(alone.diagonal_square, rel=1e-10)
    assert estimate.standard_error() > 0
    assert np.isnan(dimension.BlockMoments(blocks[:4]).standard_error())


@pytest.mark.parametrize("frames", [40, 160])
def test_white_data_have_as_many_dimensions_as_units_however_few_the_frames(frames):
    """The plain estimate is lower by the factor 1 + N/T; the unbiased one is not."""
    units, draws = 60, 200
    rng = np.random.default_rng(7)
    plain, moments = [], []
    for _ in range(draws):
        traces = rng.normal(size=(frames, units)) + 3
        plain.append(dimension.plain_moments(traces).participation_ratio)
        moments.append(dimension.BlockMoments(np.split(traces, 8)).moments())
    assert np.mean(plain) / units == pytest.approx(1 / (1 + units / frames), rel=0.05)
    trace_squared = np.array([m.trace_squared for m in moments])
    square_trace = np.array([m.square_trace for m in moments])
    error = np.std(square_trace) / np.sqrt(draws) / units
    assert np.mean(square_trace) / units == pytest.approx(1, abs=4 * error)
    assert np.mean(trace_squared) / np.mean(square_trace) / units == pytest.approx(
        1, abs=4 * error + 0.01
    )
    assert error < 0.02


def test_the_standard_error_is_the_scatter_of_the_estimate():
    rng = np.random.default_rng(8)
    scale = np.sqrt(1 / np.arange(1, 31))
    found, errors = [], []
    for _ in range(60):
        traces = rng.normal(size=(600, 30)) * scale
        estimate = dimension.BlockMoments(np.split(traces, 12))
        found.append(estimate.moments().participation_ratio)
        errors.append(estimate.standard_error())
    truth = dimension.participation_ratio(scale**2)
    assert np.mean(found) == pytest.approx(
        truth, abs=4 * np.std(found) / np.sqrt(60) + 0.01 * truth
    )
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.3)


def test_subsets_of_units_have_the_expected_dimension():
    rng = np.random.default_rng(9)
    traces = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 12)) * rng.uniform(0.2, 2, 12)
    moments = dimension.plain_moments(traces)
    for size in (1, 4, 12):
        subsets = [
            dimension.plain_moments(traces[:, list(chosen)])
            for chosen in itertools.combinations(range(12), size)
        ]
        expected = np.mean([m.trace_squared for m in subsets])
        expected /= np.mean([m.square_trace for m in subsets])
        assert moments.subsampled(size) == pytest.approx(expected, rel=1e-10)
    assert moments.subsampled(1) == pytest.approx(1)
    with pytest.raises(ValueError, match="13 out of 12"):
        moments.subsampled(13)


def test_the_subset_formula_of_the_theory_holds_for_units_of_equal_variance():
    rng = np.random.default_rng(10)
    traces = dimension.zscored(rng.normal(size=(900, 6)) @ rng.normal(size=(6, 40)))
    moments = dimension.plain_moments(traces)
    whole = moments.participation_ratio
    for size in (2, 10, 40):
        formula = dimension.subsampled_participation_ratio(size, 40, whole)
        assert moments.subsampled(size) == pytest.approx(formula, rel=1e-10)
    limit = dimension.subsampled_participation_ratio(10**9, 10**9, 50.0)
    assert limit == pytest.approx(50)


def test_time_blocks_stay_within_their_pieces():
    blocks = dimension.time_blocks([(0, 25), (30, 36), (40, 61)], 10, 2)
    assert blocks == [(0, 10), (12, 22), (40, 50)]
    assert dimension.time_blocks([(0, 9)], 10, 0) == []
    with pytest.raises(ValueError, match="blocks of 0 frames"):
        dimension.time_blocks([(0, 9)], 0, 0)


def test_unusable_traces_are_refused_with_the_place():
    traces = np.ones((10, 3))
    with pytest.raises(DataError, match="3 of 3 units never change"):
        dimension.zscored(traces)
    traces[4, 1] = np.nan
    with pytest.raises(DataError, match=r"(?s)1 of 10 frames.*frame 4"):
        dimension.plain_moments(traces)
    with pytest.raises(DataError, match=r"(?s)1 of 5 frames"):
        dimension.BlockMoments([traces[:5], traces[5:], traces[:5], traces[5:]])
    with pytest.raises(DataError, match=r"(?s)filled table.*\(0, 3\)"):
        dimension.plain_moments(np.empty((0, 3)))
    with pytest.raises(DataError, match="3 blocks of time are too few"):
        dimension.BlockMoments([np.ones((2, 2))] * 3)
