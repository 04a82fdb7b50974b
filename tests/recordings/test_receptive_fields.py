"""Receptive fields from sparse noise: the built-in field comes back."""

import numpy as np
import pytest
from scipy.special import ndtr

from mesomode.errors import DataError
from mesomode.phantom.cells import SCREEN_WIDTH
from mesomode.phantom.recordings import make_recordings
from mesomode.phantom.region import CENTRE_OF_GAZE
from mesomode.phantom.settings import Settings
from mesomode.phantom.tracing import make_brain
from mesomode.recordings import receptive_fields

ROWS, COLUMNS = 8, 14


def sparse(rng, images=2500, lit=4):
    flat = np.full((images, ROWS * COLUMNS), 127, np.uint8)
    for image in flat:
        image[rng.choice(ROWS * COLUMNS, lit, replace=False)] = rng.choice([0, 255], lit)
    return flat.reshape(images, ROWS, COLUMNS)


@pytest.fixture(scope="module")
def shown():
    """Three units: one on field around (2, 10), one off field at (6, 3), one without."""
    rng = np.random.default_rng(0)
    template = sparse(rng)
    field = np.zeros((2, ROWS, COLUMNS, 3))
    field[0, 1:4, 9:12, 0] = [[0.3, 0.6, 0.3], [0.6, 1, 0.6], [0.3, 0.6, 0.3]]
    field[1, 6, 3, 1] = 1.0
    pixels = receptive_fields.polar_pixels(template)
    response = pixels @ field.reshape(-1, 3) + 0.2 * rng.normal(size=(len(template), 3)) + 2
    return template, pixels, field, response


def test_pixels_are_parted_by_polarity():
    template = np.array([[[127, 255], [0, 127]], [[127, 127], [127, 0]]], np.uint8)
    found = receptive_fields.polar_pixels(template)
    np.testing.assert_array_equal(found, [[0, 1, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 1]])


def test_the_triggered_average_equals_the_loop(shown):
    _, pixels, _, response = shown
    average, _ = receptive_fields.triggered_average(response, pixels)
    for pixel in range(0, pixels.shape[1], 17):
        lit = pixels[:, pixel] == 1
        expected = response[lit].mean(axis=0) - response.mean(axis=0)
        np.testing.assert_allclose(average[pixel], expected, atol=1e-12)
    # shuffled responses: the scores are standard normal
    rng = np.random.default_rng(1)
    scores = np.concatenate(
        [receptive_fields.triggered_average(rng.permutation(response), pixels)[1] for _ in range(9)]
    )
    assert scores.std() == pytest.approx(1, abs=0.03)
    assert abs(scores.mean()) < 0.03


def test_the_fields_come_back_by_regression(shown):
    _, pixels, field, response = shown
    found = receptive_fields.regression(response, pixels)
    truth = field.reshape(-1, 3)
    for unit in range(2):
        assert np.corrcoef(found[:, unit], truth[:, unit])[0, 1] > 0.85
    assert np.abs(found[:, 2]).max() < 0.35
    design = pixels.astype(float) - pixels.mean(axis=0, dtype=float)
    square = design.T @ design
    penalty = 0.01 * np.trace(square) / len(square)
    slow = np.linalg.solve(
        square + penalty * np.eye(len(square)), design.T @ (response - response.mean(axis=0))
    )
    np.testing.assert_allclose(found, slow, atol=1e-6)


def test_who_has_a_field_and_where(shown):
    _, pixels, _, response = shown
    _, score = receptive_fields.triggered_average(response, pixels)
    p_value = receptive_fields.significance(response, pixels, np.random.default_rng(0))
    assert (p_value[:2] < 1e-6).all() and p_value[2] > 0.01
    centre = receptive_fields.field_centre(score.reshape(2, ROWS, COLUMNS, 3))
    np.testing.assert_allclose(centre[:, 0], [2, 10], atol=0.5)
    np.testing.assert_allclose(centre[:, 1], [6, 3], atol=0.01)


def test_chance_fields_are_as_rare_as_they_should_be_also_with_sparse_slow_activity():
    """Few images, rare events, windows that overlap: a normal tail would find fields in most."""
    rng = np.random.default_rng(2)
    pixels = receptive_fields.polar_pixels(sparse(rng, images=300, lit=4))
    events = rng.random((301, 300)) ** 12
    response = events[1:] + events[:-1]
    p_value = receptive_fields.significance(response, pixels, rng)
    for level in (0.01, 0.05):
        assert (p_value < level).mean() < level + 4 * np.sqrt(level / 300)
    assert 0.3 < np.median(p_value) < 0.7
    _, score = receptive_fields.triggered_average(response, pixels)
    normal = score.shape[0] * 2 * (1 - ndtr(np.abs(score).max(axis=0)))
    assert (normal < 0.01).mean() > 0.2
    assert np.isnan(receptive_fields.significance(response[:3], pixels[:3], rng)).all()
    flat = receptive_fields.significance(response * 0 + 1, pixels, rng, 3)
    assert np.isnan(flat).all()


def test_tables_say_which_noise_and_leave_out_what_has_gaps(shown):
    template, _, _, response = shown
    frames = 7 * len(template) + 30
    signal = np.zeros((frames, 4))
    start = 10 + 7 * np.arange(len(template))
    order = np.random.default_rng(3).permutation(len(template))
    for place, image in zip(start, order, strict=True):
        signal[place : place + 7, :3] = response[image]
    signal[50, 3] = np.nan
    tables = {
        "locally_sparse_noise_8deg": {"start": start, "end": start + 7, "frame": order * 1.0},
        "locally_sparse_noise_4deg": {"start": start, "end": start + 7, "frame": order * 1.0},
        "natural_scenes": {"start": start, "end": start + 7, "frame": order * 1.0},
    }
    found = receptive_fields.field_tables(
        tables,
        {"locally_sparse_noise_8deg": template, "natural_scenes": template},
        signal,
        codes={"locally_sparse_noise_8deg": 9},
        endings={"": (16, 28), "_8deg": (8, 14)},
        delay=0,
        shortest=0,
        generator=np.random.default_rng(0),
    )
    assert found["receptive_field_8deg"].shape == (1, 2, ROWS, COLUMNS, 4)
    assert found["receptive_field_stimulus_8deg"].tolist() == [9]
    assert not any(not name.endswith("_8deg") for name in found)
    np.testing.assert_allclose(found["receptive_field_centre_8deg"][0, :, 0], [2, 10], atol=0.5)
    assert np.isnan(found["receptive_field_8deg"][..., 3]).all()
    assert np.isnan(found["receptive_field_p_value_8deg"][0, 3])


def test_noise_that_never_changes_is_refused():
    with pytest.raises(DataError, match=r"(?s)never changes.*receptive_fields"):
        receptive_fields.regression(np.random.default_rng(0).normal(size=(9, 2)), np.zeros((9, 8)))
    _, score = receptive_fields.triggered_average(np.ones((9, 2)), np.eye(9))
    assert (score == 0).all()
    assert np.isnan(receptive_fields.field_centre(np.zeros((2, 3, 4, 1)))).all()


@pytest.mark.slow
def test_fields_of_the_phantom_lie_where_its_cells_look():
    """dF/F of 60 cells, 1,800 images: most driven cells have a field, the others none.

    The median distance from the true place is half that of fields by chance, and below 15
    degrees for events; pixels are 4.6 degrees wide.
    """
    settings = Settings(
        size="tiny",
        session_length="short",
        sessions=1,
        session_types=("three_session_C",),
        cells=60,
        gain=0.5,
    )
    _, _, region, wiring = make_brain(settings, 2)
    session = make_recordings(settings, 2, region, wiring)[0]
    noise = session.timetable.stimuli["locally_sparse_noise"]
    table = {"start": noise.frames[:, 0], "end": noise.frames[:, 1], "frame": noise.data}
    cells = session.container.units
    place = cells.where.visual_field()[session.found]
    driven = cells.drive[session.found] > 0
    for signal, delay, nearest, least in ((session.dff, 3, 22, 0.6), (session.events, 0, 15, 0.7)):
        found = receptive_fields.field_tables(
            {"locally_sparse_noise": table},
            {"locally_sparse_noise": noise.template},
            signal.T,
            codes={"locally_sparse_noise": 7},
            endings={"": (16, 28)},
            delay=delay,
            shortest=15,
            generator=np.random.default_rng(0),
        )
        clear = found["receptive_field_p_value"][0] < 0.01
        row, column = found["receptive_field_centre"][0]
        degrees = SCREEN_WIDTH / 28
        azimuth = CENTRE_OF_GAZE[0] + degrees * (column - 13.5)
        altitude = CENTRE_OF_GAZE[1] - degrees * (row - 7.5)
        distance = np.hypot(azimuth - place[:, 0], altitude - place[:, 1])
        assert clear[driven].mean() > least and clear[~driven].sum() <= 1
        assert np.median(distance[clear]) < nearest < 0.65 * np.median(distance[~clear])
