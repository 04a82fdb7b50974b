"""Figures of the atlas and of the tracer experiments."""

import numpy as np
import pytest

from mesomode.report.atlas import draw_atlas
from mesomode.report.tracing import draw_coverage, draw_injections
from tests.report.conftest import check, texts, titled

REASONS = ("kept", "not_fetched", "injection_too_large", "empty_injection")


@pytest.fixture
def injections(grid, experiments):
    def draw(count=5):
        reason = np.array([0] * count + [2, 3, 1], np.int8)
        inside = np.array([0.98] * count + [np.nan, np.nan, np.nan])
        return draw_injections(
            **{k: grid[k] for k in ("source_voxel", "source_region", "regions", "resolution_um")},
            **experiments(count),
            reasons=REASONS,
            candidate_reason=reason,
            candidate_volume=np.append(np.linspace(0.05, 0.4, count), [0.9, 0.0, 0.1]),
            candidate_fraction_inside=inside,
            limits={"maximum_injection_volume": 0.7, "minimum_fraction_inside": 0.95},
        )

    return draw


def test_atlas(grid, targets):
    template = np.full((132, 80, 114), 10, np.uint16)
    figure = draw_atlas(template, **grid, **targets)
    check(figure)
    assert "360 source and 360 target voxels of 100 µm in 3 regions" in texts(figure)
    for acronym in ("VISp", "VISl", "VISam"):
        assert texts(figure).count(acronym) >= 2, "named in slices and from above"
    coronal = titled(figure, "Coronal")
    low, high = coronal.get_xlim()
    assert low < 7.0 and high > 8.0, "the slice shows all regions"
    # the slice is cut where most source voxels lie
    assert "antero-posterior 7.05 mm" in coronal.get_title(loc="left")


def test_an_empty_template_is_drawn(grid, targets):
    check(draw_atlas(np.zeros((132, 80, 114), np.uint16), **grid, **targets))


@pytest.mark.parametrize("count", [5, 1])
def test_injections(injections, count):
    figure = injections(count)
    check(figure)
    mirrored = int(count > 1)
    assert f"{count} of {count + 3} tracer experiments kept, {mirrored} of them mirrored" in texts(
        figure
    )
    right, left = titled(figure, "Injections from above").collections[-2:]
    assert len(right.get_offsets()) == count - mirrored
    assert len(left.get_offsets()) == mirrored
    sizes = right.get_sizes()
    assert np.all(np.diff(sizes) > 0), "areas follow the volumes"
    bars = titled(figure, "Why").patches
    assert [bar.get_width() for bar in bars] == [count, 1, 1, 1]
    reached = [bar.get_height() for bar in titled(figure, "Size").patches]
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] == 10


def test_the_size_of_x_and_y_is_computed(injections, experiments):
    data = experiments(5)
    text = texts(injections(5))
    assert f"X: 360 × 5, {np.mean(data['injection_density'] > 0):.1%} not zero" in text
    assert f"Y: 360 × 5, {data['observed'].mean():.1%} observed" in text


def test_limits_of_the_selection_are_drawn(injections):
    axes = titled(injections(), "Limits")
    at = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert at == [0.7]
    assert "(3 not measured)" in axes.get_title(loc="left")


@pytest.mark.parametrize("count", [5, 1])
def test_coverage(grid, targets, experiments, count):
    data = experiments(count)
    figure = draw_coverage(
        **grid, **targets, injection_density=data["injection_density"], observed=data["observed"]
    )
    check(figure)
    reach = np.sum(data["injection_density"] > 0, axis=1)
    assert f"{np.sum(reach == 0):,} are not" in texts(figure)
    bars = titled(figure, "Coverage (").patches
    assert sum(bar.get_height() for bar in bars) == 360
    assert bars[0].get_height() == np.sum(reach == 0)
    shares = [bar.get_height() for bar in titled(figure, "Coverage of").patches]
    region = grid["source_region"]
    assert shares == pytest.approx(
        [100 * np.mean(reach[region == r["id"]] > 0) for r in grid["regions"]]
    )
