"""Reliability, ceilings and dimension of a real session with drifting gratings."""

import csv

import h5py
import numpy as np
import pytest

from mesomode.comparison.canonical_correlation import svcca_with_null
from mesomode.comparison.decimation import dimension_report
from mesomode.comparison.noise_ceiling import (
    ceiling_over_trials,
    ceiling_over_units,
    extrapolated_reliability,
    reliability,
    trials_by_image,
)
from mesomode.comparison.representations import similarity_of_similarities
from mesomode.comparison.unbiased_dimension import signal_dimension


@pytest.fixture(scope="module")
def gratings(shared_data):
    """Responses (repeat, condition, unit): dF/F over 2 s less that of the second before."""
    folder = shared_data / "allen_bo_2p"
    with h5py.File(folder / "drifting_gratings.h5") as file:
        traces = np.asarray(file["dff"][:], dtype=np.float32).T
    with (folder / "drifting_gratings_stimulus_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = [(row["temporal_frequency"], row["orientation"]) for row in rows]
    names = sorted({name for name in shown if name[1] not in ("", "blank")})
    assert len(names) == 40
    responses = []
    for row in rows:
        onset = int(row["onset_frame_global"])
        before = traces[max(onset - 30, 0) : onset].mean(axis=0)
        responses.append(traces[onset : onset + 60].mean(axis=0) - before)
    condition = np.array([names.index(name) if name in names else -1 for name in shown])
    return trials_by_image(np.array(responses), condition, 40)


def test_half_of_the_cells_are_reliable(gratings):
    assert gratings.shape == (14, 40, 254)
    found = reliability(gratings, generator=np.random.default_rng(0))
    assert np.median(found) == pytest.approx(0.52, abs=0.03)
    assert np.mean(found > 0.5) == pytest.approx(0.52, abs=0.04)


def test_ceilings_of_the_session(gratings):
    rng = np.random.default_rng(1)
    found = ceiling_over_trials(gratings, similarity_of_similarities, generator=rng)
    assert found.raw == pytest.approx(0.354, abs=0.04)
    assert found.explainable == pytest.approx(0.723, abs=0.03)
    whole = extrapolated_reliability(gratings, similarity_of_similarities, generator=rng)
    assert found.corrected < whole < found.corrected + 0.08
    units = ceiling_over_units(gratings.mean(axis=0), similarity_of_similarities, generator=rng)
    assert units.corrected == pytest.approx(0.39, abs=0.08)


def test_the_dimension_of_the_signal_is_not_that_of_the_noisy_means(gratings):
    rng = np.random.default_rng(2)
    standard = gratings / gratings.reshape(-1, 254).std(axis=0)
    shown = signal_dimension(standard, "shown")
    assert shown.participation_ratio == pytest.approx(10.7, abs=0.1)
    assert shown.standard_error == pytest.approx(1.0, abs=0.1)
    assert shown.plain == pytest.approx(13.4, abs=0.1)
    assert shown.signal_fraction == pytest.approx(0.11, abs=0.01)
    drawn = signal_dimension(standard, "drawn")
    assert drawn.participation_ratio > shown.participation_ratio + 2
    report = dimension_report(gratings.mean(axis=0), generator=rng)
    assert report["two_nearest_low"] < 5  # forty points hardly tell
    assert report["two_nearest_high"] > 9


def test_halves_of_the_cells_share_a_code_beyond_chance(gratings):
    rng = np.random.default_rng(3)
    mean = gratings.mean(axis=0)
    found = svcca_with_null(mean[:, ::2], mean[:, 1::2], generator=rng, components=5)
    assert found.p_value < 0.02
    assert found.standardised > 4
