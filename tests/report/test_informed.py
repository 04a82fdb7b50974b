"""What the data inform: states from above, reasons, distances, bootstrap."""

import numpy as np
import pytest

from mesomode.connectome.schemas import COVERAGE_SCHEMA
from mesomode.report.informed import Informed, commonest, draw_informed
from mesomode.report.space import Dorsal
from mesomode.steps import Provenance
from mesomode.store import open_store, write_store
from tests.report import stores
from tests.report.conftest import check, texts, titled


@pytest.fixture
def informed(grid, experiments, tmp_path):
    """Read back from a store, so that the states have their names."""

    def build(**changed):
        injection = experiments()["injection_density"]
        made = stores.coverage(
            grid["source_voxel"], grid["source_region"], injection, bootstrap=changed.pop("n", 0)
        )
        for name, values in changed.items():
            made[name][...] = values
        write_store(tmp_path / "coverage.zarr", made, COVERAGE_SCHEMA, Provenance("test"))
        with open_store(tmp_path / "coverage.zarr") as store:
            return Informed.of(store, grid["regions"])

    return build


def test_the_state_of_most_of_a_column_and_the_worse_of_equals():
    voxel = np.array([[5, 1, 5], [5, 2, 5], [5, 3, 5], [5, 1, 7], [5, 2, 7]])
    view = Dorsal(voxel, 100.0, margin=0)
    found = commonest(view, np.array([0, 0, 3, 0, 2]), 4)
    assert found.tolist() == [[0, -1, 2]]


def test_all_is_drawn(grid, informed):
    found = informed(n=25)
    figure = draw_informed(found, 100, **grid)
    check(figure)
    text = texts(figure)
    known = int(np.sum(found.state == 0))
    assert f"inform {known:,} of 360 source voxels, {360 - known} voxels not" in text
    for code, words in enumerate(
        ("informed", "out of reach of any injection", "targets not observed",
         "nothing injected in its part of the grid")
    ):  # fmt: skip
        assert f"{words} ({np.sum(found.state == code)})" in text
    assert "Bootstrap of 25 fits, numbers: % of the mean" in text
    assert "reach of the smoothing, 200 µm" in text
    bars = titled(figure, "Distance to the nearest").patches
    assert sum(bar.get_height() for bar in bars) == 360
    matrix = titled(figure, "Bootstrap").images[0].get_array()
    assert matrix.shape == (3, 3)
    image = titled(figure, "How much is known").images[0].get_array()
    column = np.all(grid["source_voxel"][:, [0, 2]] == [75, 75], axis=1)
    assert image[7, 7] == pytest.approx(found.reduction[column].mean())


def test_without_a_model_of_all_weights_what_is_absent_is_said(grid, experiments):
    store = stores.coverage(
        grid["source_voxel"], grid["source_region"], experiments()["injection_density"]
    ).drop_vars(["posterior_variance", "variance_reduction", "informed_patterns"])
    store["coverage"].attrs["flag_meanings"] = "informed out_of_reach targets_unobserved last"
    found = Informed.of(store, grid["regions"])
    assert found.variance is None
    figure = draw_informed(found, 0, **grid)
    check(figure)
    assert texts(figure).count("needs the voxel\nor the linear model") == 3
    assert titled(figure, "Injections").images


def test_bootstrap_errors_are_standard_deviations_over_replicates(grid, experiments):
    store = stores.coverage(
        grid["source_voxel"], grid["source_region"], experiments()["injection_density"],
        bootstrap=4,
    )  # fmt: skip
    store["coverage"].attrs["flag_meanings"] = "informed out_of_reach targets_unobserved last"
    found = Informed.of(store, grid["regions"])
    drawn = store["bootstrap_regional_weights"].values
    assert found.regional_error == pytest.approx(np.std(drawn, axis=0, ddof=1))
    assert found.source_group == ("VISp", "VISam", "VISl"), "in the order of the ids"
    figure = draw_informed(found, 0, **grid)
    check(figure)
    assert "last (2)" in texts(figure), "an unknown state has its own name"


def test_without_bootstrap_and_without_any_injection(grid, informed):
    figure = draw_informed(informed(distance_to_injection=np.inf, coverage=3), 0, **grid)
    check(figure)
    text = texts(figure)
    assert "Bootstrap" not in text and "nothing was injected" in text
    assert "inform 0 of 360 source voxels" in text


def test_all_informed(grid, informed):
    figure = draw_informed(informed(coverage=0, reach=1e9), 0, **grid)
    check(figure)
    text = texts(figure)
    assert "inform 360 of 360 source voxels, 0 voxels not" in text
    assert "reach of the smoothing" not in text, "it is far outside of the histogram"
