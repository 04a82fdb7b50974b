"""Figures of the connectome: blocks, predictions, certificate, truth."""

import numpy as np
import pytest

from mesomode.report import connectome
from mesomode.report.fit import Certificate, Fit, draw_fit
from mesomode.report.ranks import draw_ranks
from mesomode.report.truth import Model, draw_truth, example_sources
from tests.report.conftest import check, texts, titled


@pytest.fixture
def weights(grid):
    rng = np.random.default_rng(0)
    count = len(grid["source_voxel"])
    return rng.exponential(size=(count, count)).astype(np.float32)


def test_block_means_are_means_over_blocks_of_one_region():
    rng = np.random.default_rng(0)
    place = rng.integers(0, 3, 40)
    matrix = rng.normal(size=(40, 40))
    matrix[3, 5] = np.nan
    blocks = connectome.blocks_by_region(place, most=12)
    assert sorted(blocks.order.tolist()) == list(range(40))
    found = connectome.block_means(matrix, blocks, blocks, chunk=7)
    bounds = blocks.bounds
    for row in range(len(blocks.starts)):
        rows = blocks.order[bounds[row] : bounds[row + 1]]
        assert len(set(place[rows])) == 1
        for column in range(len(blocks.starts)):
            columns = blocks.order[bounds[column] : bounds[column + 1]]
            expected = np.nanmean(matrix[np.ix_(rows, columns)])
            assert found[row, column] == pytest.approx(expected)


def test_labels_are_moved_apart_and_keep_their_order():
    places = np.array([100.0, 300, 305, 310, 800])
    moved = connectome.apart(places, 20)
    assert moved.tolist() == [100, 285, 305, 325, 800]
    assert connectome.apart(places, 1).tolist() == places.tolist()
    crowded = connectome.apart(places, 400)
    assert np.allclose(np.diff(crowded), 400) and crowded.mean() == pytest.approx(places.mean())


def test_region_means():
    place = np.array([1, 0, 1, 0])
    matrix = np.arange(16.0).reshape(4, 4)
    regions = connectome.whole_regions(connectome.blocks_by_region(place))
    found = connectome.block_means(matrix, regions, regions)
    expected = [[matrix[np.ix_(place == a, place == b)].mean() for b in (0, 1)] for a in (0, 1)]
    assert np.allclose(found, expected)


def test_pairs_are_counted_on_a_logarithmic_grid():
    x = np.array([1.0, 1e-3, 0.0, np.nan, 0.5])
    y = np.array([1.0, 1e-3, 0.2, 1.0, -3.0])
    counts, edges = connectome.density_of(x, y, bins=8)
    assert counts.sum() == 4
    assert counts[-1, -1] == 1
    assert counts[0].sum() == 1, "a negative value is in the lowest bin"
    assert counts[:, 0].sum() == 1, "a zero too"
    assert edges[0] == pytest.approx(1e-4) and edges[-1] == pytest.approx(1)


def test_connectome(grid, weights):
    figure = connectome.draw_connectome(
        [("voxel model", weights), ("regional model", 2 * weights)],
        grid["source_region"],
        np.zeros(360, bool),
        grid["source_region"],
        grid["regions"],
    )
    check(figure)
    fine = titled(figure, "voxel model: voxels")
    assert "source voxels (n = 360)" in texts(figure)
    assert [t.get_text() for t in fine.get_xticklabels()] == ["VISp", "VISl", "VISam"]
    coarse = titled(figure, "voxel model: region by region").images[0].get_array()
    region = grid["source_region"]
    for row, target in enumerate(grid["regions"]):
        for column, source in enumerate(grid["regions"]):
            mean = weights[np.ix_(region == target["id"], region == source["id"])].mean()
            assert coarse[row, column] == pytest.approx(mean, rel=1e-5)


def test_targets_in_the_other_hemisphere_have_rows_of_their_own(grid, weights):
    region = grid["source_region"]
    figure = connectome.draw_connectome(
        [("voxel model", np.concatenate([weights, 0.1 * weights]))],
        np.tile(region, 2),
        np.repeat([False, True], 360),
        region,
        grid["regions"],
    )
    check(figure)
    axes = titled(figure, "region by region")
    counts = {r["acronym"]: np.sum(region == r["id"]) for r in grid["regions"]}
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        f"{name} ({count})" for name, count in counts.items()
    ]
    rows = [t.get_text() for t in axes.get_yticklabels()]
    assert rows == [
        f"{name}{side} ({count})" for side in ("", " contra") for name, count in counts.items()
    ]
    means = axes.images[0].get_array()
    assert np.allclose(means[3:], 0.1 * means[:3])


def test_a_connectome_of_zeros_is_drawn(grid, weights):
    check(
        connectome.draw_connectome(
            [("voxel model", 0 * weights)],
            grid["source_region"],
            np.zeros(360, bool),
            grid["source_region"],
            grid["regions"],
        )
    )


def fit(name, prediction, **changed):
    count = prediction.shape[1]
    return Fit(
        **{
            "name": name, "prediction": prediction, "voxel": 0.33, "regional": 0.02,
            "experiment_error": np.linspace(0.5, 0.1, count), **changed,
        }
    )  # fmt: skip


CERTIFICATE = Certificate(
    products=np.array([5, 10, 20]), gap=np.array([1e-2, 1e-4, 1e-7]),
    residual=np.array([1e-3, 1e-5, 1e-7]), bound=3e-7, tolerance=1e-6, converged=True, misfit=10.0,
    penalty=2.5, free=0.97,
)  # fmt: skip


@pytest.fixture
def projections():
    rng = np.random.default_rng(0)
    observed = rng.random((50, 6)) < 0.9
    projection = np.where(observed, rng.random((50, 6)), np.nan)
    return projection, observed


def test_fit(projections):
    projection, observed = projections
    prediction = np.nan_to_num(projection) + 0.01
    figure = draw_fit(
        [fit("voxel", prediction), fit("regional", prediction, voxel=0.77)],
        projection, observed, CERTIFICATE,
    )  # fmt: skip
    check(figure)
    text = texts(figure)
    assert f"MSE_rel 0.33\nn = {observed.sum()}" in text
    assert "Voxel model, 6 experiments fitted" in text
    assert "0.77" in text and "gap ≤ 3e−7 (proven)" in text and "objective 12.5" in text
    errors = titled(figure, "Error of each").lines
    assert errors[0].get_ydata().tolist() == sorted(errors[0].get_ydata())
    certificate = titled(figure, "Certificate of the voxel model: converged")
    assert certificate.lines[0].get_ydata()[-1] == 1e-7


def test_a_fit_to_one_experiment(projections):
    projection, observed = (v[:, :1] for v in projections)
    nan = float("nan")
    alone = fit(
        "voxel", np.nan_to_num(projection), voxel=nan, regional=nan,
        experiment_error=np.array([nan]),
    )  # fmt: skip
    certificate = Certificate(
        products=np.array([1]), gap=np.array([0.0]), residual=np.array([np.nan]), bound=np.inf,
        tolerance=1e-6, converged=False, misfit=0.0, penalty=0.0, free=0.0,
    )  # fmt: skip
    figure = draw_fit([alone], projection, observed, certificate)
    check(figure)
    text = texts(figure)
    assert "Voxel model, 1 experiment fitted" in text
    assert "not converged" in text
    assert "–" in text, "what is unknown is said to be"


def test_truth(grid, targets, weights):
    count = len(weights)
    near = Model("voxel", 1.1 * weights, 0.1, 1.0, 0.009, 0.1, np.ones((3, 3)),
                 np.geomspace(9, 0.1, count))  # fmt: skip
    figure = draw_truth(
        [near], weights, np.full((3, 3), 2.0), np.geomspace(10, 0.1, count), **grid, **targets
    )
    check(figure)
    text = texts(figure)
    assert "relative error 0.1, MSE_rel 0.009" in text
    assert f"true weight (n = {count**2:,})" in text
    assert "From VISp (+): true" in text and "From VISp (+): voxel model" in text
    pairs = titled(figure, "Pairs of regions (n = 9)").lines[0]
    assert set(pairs.get_xdata()) == {2.0} and set(pairs.get_ydata()) == {1.0}
    source = example_sources(grid["source_voxel"], grid["source_region"], grid["regions"])[0]
    (example,) = [a for a in _axes(figure) if a.get_title(loc="left") == "From VISp (+): true"]
    shown = example.images[0].get_array()
    voxel = grid["source_voxel"][0]
    column = np.all(grid["source_voxel"][:, [0, 2]] == voxel[[0, 2]], axis=1)
    assert shown[2, 2] == pytest.approx(weights[column, source].mean())


def _axes(figure):
    import matplotlib.axes

    return figure.findobj(matplotlib.axes.Axes)


def test_examples_lie_in_the_largest_regions(grid):
    chosen = example_sources(grid["source_voxel"], grid["source_region"], grid["regions"])
    assert grid["source_region"][chosen].tolist() == [385, 409]
    assert (
        len(example_sources(grid["source_voxel"], grid["source_region"], grid["regions"], 9)) == 3
    )


MANY = ("voxel", "linear", "low_rank", "regional", "kernel", "distance")


def test_six_models_have_a_panel_each(grid, targets, weights, projections):
    count = len(weights)
    figure = connectome.draw_connectome(
        [(f"{name} model", weights * 10**place) for place, name in enumerate(MANY)],
        grid["source_region"], np.zeros(360, bool), grid["source_region"], grid["regions"],
    )  # fmt: skip
    check(figure)
    scales = {
        titled(figure, f"{name} model: region by region").images[0].norm.vmax for name in MANY
    }
    assert len(scales) == 1, "the scale is that of the first model"
    projection, observed = projections
    prediction = np.nan_to_num(projection) + 0.01
    figure = draw_fit([fit(name, prediction) for name in MANY], projection, observed, CERTIFICATE)
    check(figure)
    assert all(f"{name} model, 6 experiments fitted" in texts(figure).lower()
               for name in ("voxel", "low-rank", "distance"))  # fmt: skip
    models = [
        Model(name, weights, 0.1, 1.0, 0.009, 0.1, np.ones((3, 3)), np.geomspace(9, 0.1, count))
        for name in MANY
    ]
    truth = draw_truth(
        models, weights, np.full((3, 3), 2.0), np.geomspace(10, 0.1, count), **grid, **targets
    )
    check(truth)
    text = texts(truth)
    assert text.count("From VISp (+)") == 7 and "From VISl" not in text


def test_modes_for_95_and_99_per_cent_are_marked(grid, targets, weights):
    values = np.zeros(360)
    values[:3] = np.sqrt([90, 6, 4])
    near = Model("voxel", weights, 0.1, 1.0, 0.009, 0.1, np.ones((3, 3)), values)
    flat = np.ones(360)
    figure = draw_truth([near], weights, np.full((3, 3), 2.0), flat, **grid, **targets)
    text = texts(figure)
    assert "voxel: 2, 3" in text and "2 modes" in text and "3 modes" in text
    assert "true: 342, 357" in text


def test_a_run_without_the_voxel_model(projections):
    projection, observed = projections
    prediction = np.nan_to_num(projection)
    figure = draw_fit([fit("kernel", prediction)], projection, observed, None)
    check(figure)
    assert "the voxel model was not fitted" in texts(figure)


def test_ranks():
    rank = np.array([5, 20, 160])
    distance = np.array([[0.5, 0.52], [0.3, 0.28], [0.14, 0.13]])
    figure = draw_ranks(rank, distance, distance.min(axis=1) / 2, 10 * (1 + distance), 10.0, 300.0)
    check(figure)
    text = texts(figure)
    assert "comes within 13 % of the voxel model at rank 160" in text
    assert "low-rank model (n = 2 starts)" in text and "published" in text and "λ = 300" in text
    near, excess = titled(figure, "‖U Vᵀ − W‖"), titled(figure, "Objective")
    assert near.lines[0].get_ydata() == pytest.approx([51, 29, 13.5])
    assert excess.lines[1].get_ydata() == pytest.approx(100 * distance[:, 0])
    nothing = draw_ranks(rank[:1], distance[:1], distance[:1, 0], distance[:1], 0.0, 1.0)
    check(nothing)
