"""Connections of a voxel, and residuals, from above and in sections."""

import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.report.projection import (
    Connections,
    Section,
    draw_projection,
    mirrored,
    source_at,
    target_at,
)
from mesomode.report.residual import Prediction, chosen_experiments, draw_residual
from tests.report import stores
from tests.report.conftest import check, texts, titled


@pytest.fixture
def voxels(grid):
    return grid["source_voxel"], grid["source_region"], grid["regions"]


def test_a_section_holds_the_voxels_of_its_plane(grid):
    voxel = grid["source_voxel"]
    values = np.arange(len(voxel), dtype=float)
    section = Section(voxel, 100.0, "coronal", 75)
    image = section.image(values)
    inside = voxel[:, 0] == 75
    assert np.isfinite(image).sum() == inside.sum() == 30
    for number in np.flatnonzero(inside):
        dv, ml = voxel[number, [1, 2]] - section.first
        assert image[dv, ml] == values[number]
    assert section.title == "Coronal at ap 7.55 mm"
    assert section.extent == pytest.approx((6.9, 8.1, 1.4, 0.9))
    assert np.isnan(Section(voxel, 100.0, "sagittal", 3).image(values)).all()


def test_the_source_that_is_shown(voxels):
    voxel, region, _ = voxels
    wanted = voxel[17].tolist()
    assert source_at(wanted, *voxels) == 17
    central = source_at(None, *voxels)
    members = voxel[region == 385]
    assert region[central] == 385
    distance = np.linalg.norm(members - members.mean(axis=0), axis=1)
    assert np.linalg.norm(voxel[central] - members.mean(axis=0)) == distance.min()
    with pytest.raises(DataError, match=r"\[69, 10, 70\] is not a source") as caught:
        source_at((69, 10, 70), *voxels)
    assert "the nearest is [70, 10, 70]" in str(caught.value)
    assert target_at(17, voxel, voxel[::-1]) == len(voxel) - 18
    assert target_at(17, voxel, voxel[:17]) is None


def test_projections_in_both_directions(grid, targets):
    rng = np.random.default_rng(0)
    weights = rng.random((360, 360))
    source = 100
    drawn = [
        Connections("voxel model", weights[:, source], weights[source]),
        Connections("truth", 2 * weights[:, source], 3 * weights[source]),
    ]
    figure = draw_projection(drawn, source, **grid, **targets)
    check(figure)
    text = texts(figure)
    place = grid["source_voxel"][source]
    assert f"Connections of the voxel {place.tolist()} in VISp (+): voxel model and truth" in text
    assert text.count("Projections of the voxel: ") == text.count("Projections to the voxel: ") == 2
    scales = []
    for row in figure.subfigs:
        above = titled(row, "From above")
        image = above.images[0]
        scales.append(image.norm.vmax)
        assert {a.images[0].norm.vmax for a in row.axes if a.get_title(loc="left")} == {scales[-1]}
        cross = above.lines[-1]
        assert cross.get_xdata()[0] == pytest.approx((place[2] + 0.5) / 10)
        assert cross.get_ydata()[0] == pytest.approx((place[0] + 0.5) / 10)
    most = [weights[:, source].max(), weights[source].max()]
    assert scales == pytest.approx([2 * most[0]] * 2 + [3 * most[1]] * 2), "one scale a direction"
    first = titled(figure.subfigs[0], "From above").images[0].get_array()
    column = np.all(grid["source_voxel"][:, [0, 2]] == place[[0, 2]], axis=1)
    row, across = place[[0, 2]] - grid["source_voxel"].min(axis=0)[[0, 2]] + 2
    assert first[row, across] == weights[column, source].max(), "the largest over depth"


def test_a_source_that_is_no_target_has_no_incoming_row(grid, targets):
    figure = draw_projection(
        [Connections("voxel model", np.zeros(360), None)], 3, **grid, **targets
    )
    check(figure)
    assert "Projections to" not in texts(figure)


def test_targets_in_both_hemispheres(grid):
    voxel = grid["source_voxel"]
    other = voxel.copy()
    other[:, 2] = 113 - other[:, 2]
    both = {
        "target_voxel": np.concatenate([voxel, other]),
        "target_region": np.tile(grid["source_region"], 2),
    }
    outgoing = np.arange(720.0)
    figure = draw_projection(
        [Connections("voxel model", outgoing, np.arange(360.0))], 3, **grid, **both,
        contralateral=np.arange(720) >= 360,
    )  # fmt: skip
    check(figure)
    text = texts(figure)
    assert "Projections of the voxel, other hemisphere: voxel model" in text
    near, far = (titled(figure.subfigs[i], "From above") for i in range(2))
    assert near.get_xlim()[0] > 6 and far.get_xlim()[1] < 5
    assert np.nanmax(near.images[0].get_array()) == 359
    assert np.nanmax(far.images[0].get_array()) == 719
    mark = far.lines[-1].get_xdata()[0]
    assert mark == pytest.approx((113 - voxel[3, 2] + 0.5) / 10), "the mirrored place"
    assert mirrored(voxel[3], both["target_voxel"]).tolist() == other[3].tolist()
    assert target_at(3, voxel, both["target_voxel"]) == 3


def test_experiments_of_the_largest_and_of_median_error():
    error = np.array([0.1, 0.9, np.nan, 0.3, 0.5, 0.2, 0.7])
    found = chosen_experiments(error)
    assert len(found) == 3, "the median of six, the upper one, is among them"
    assert found[0] == (1, "largest error") and found[1] == (6, "second largest error")
    assert found[2] == (4, "third largest error")
    assert chosen_experiments(np.arange(9.0))[-1] == (4, "median error")
    assert [i for i, _ in chosen_experiments(np.array([1.0, 2.0]))] == [1, 0]
    assert chosen_experiments(np.array([np.nan])) == []


@pytest.fixture
def data(grid, experiments):
    made = experiments(8)
    rng = np.random.default_rng(1)
    projection = rng.random((360, 8))
    projection[~made["observed"]] = np.nan
    return {
        "experiment": np.arange(8) + 500,
        "projection_density": projection,
        "observed": made["observed"],
        "injection_density": made["injection_density"],
        "source_voxel": grid["source_voxel"],
        "target_voxel": grid["source_voxel"],
        "target_region": grid["source_region"],
        "regions": grid["regions"],
        "resolution_um": 100.0,
    }


def test_residuals_are_of_what_was_observed(data):
    values = np.full((360, 8), 0.25)
    error = np.linspace(0.1, 0.8, 8)
    figure = draw_residual(Prediction("low_rank", values, error, True), **data)
    check(figure)
    text = texts(figure)
    assert "What the low-rank model misses: experiments predicted from the others" in text
    for place, why in ((7, "largest"), (6, "second largest"), (5, "third largest"), (4, "median")):
        assert f"{500 + place}: {why} error\nobserved" in text
    assert "MSE_rel 80 %" in text and "not observed at any depth" in text
    rows = [a for a in figure.axes if a.get_title(loc="left")]
    observed, _, residual = (a.images[-1].get_array() for a in rows[:3])
    column = np.all(data["target_voxel"][:, [0, 2]] == [75, 75], axis=1)
    known = column & data["observed"][:, 7]
    expected = data["projection_density"][known, 7].mean()
    assert observed[7, 7] == pytest.approx(expected)
    assert residual[7, 7] == pytest.approx(0.25 - expected)
    assert rows[0].images[-1].norm.vmax == rows[1].images[-1].norm.vmax
    assert rows[2].images[-1].norm.vmin == -rows[2].images[-1].norm.vmax


def test_a_column_that_is_nowhere_observed_is_hatched(data):
    data["observed"] = data["observed"].copy()
    deep = np.all(data["target_voxel"][:, [0, 2]] == [75, 75], axis=1)
    data["observed"][deep] = False
    figure = draw_residual(Prediction("voxel", np.zeros((360, 8)), np.ones(8), False), **data)
    check(figure)
    assert "experiments fitted" in texts(figure)
    first = next(a for a in figure.axes if a.get_title(loc="left"))
    (hatched,) = first.patches
    assert hatched.get_hatch() == "/////"
    assert hatched.get_xy() == pytest.approx((7.5, 7.5))


def test_one_experiment_without_an_error_is_said_to_be(data):
    alone = {
        name: v[..., :1] if name in ("experiment", "projection_density", "observed",
                                     "injection_density") else v
        for name, v in data.items()
    }  # fmt: skip
    nothing = Prediction("voxel", np.zeros((360, 1)), np.array([np.nan]), False)
    figure = draw_residual(nothing, **alone)
    figure.canvas.draw()
    assert "no experiment has a defined error" in texts(figure)


def test_predictions_are_those_of_the_cross_validation():
    store = stores.cross_validation(models=("voxel", "kernel"))
    found = Prediction.out_of_fold(store, "kernel")
    assert found.model == "kernel" and found.held_out
    assert np.array_equal(found.error, store["experiment_error"][1])


def test_residuals_of_the_other_hemisphere_have_rows_of_their_own(data):
    other = data["target_voxel"].copy()
    other[:, 2] = 113 - other[:, 2]
    data["target_voxel"] = np.concatenate([data["target_voxel"], other])
    data["target_region"] = np.tile(data["target_region"], 2)
    for name in ("observed", "projection_density"):
        data[name] = np.concatenate([data[name]] * 2)
    prediction = Prediction("voxel", np.zeros((720, 8)), np.ones(8), True)
    figure = draw_residual(prediction, **data, contralateral=np.arange(720) >= 360)
    check(figure)
    assert texts(figure).count("observed, other hemisphere") == 4
    assert len([a for a in figure.axes if a.get_title(loc="left")]) == 24
