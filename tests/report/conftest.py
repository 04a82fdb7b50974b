"""A small made-up atlas, experiments, networks and sessions to draw."""

from __future__ import annotations

import numpy as np
import pytest

from tests.report.overlaps import overlapping

REGIONS = [
    {"id": 385, "acronym": "VISp", "name": "Primary", "rgb": [8, 133, 140]},
    {"id": 409, "acronym": "VISl", "name": "Lateral", "rgb": [8, 133, 140]},
    {"id": 394, "acronym": "VISam", "name": "Anteromedial", "rgb": [8, 133, 140]},
]


@pytest.fixture
def grid():
    """12 × 3 × 10 voxels in three regions, two of them deep below nothing."""
    voxel = np.argwhere(np.ones((12, 3, 10), bool)) + np.array([70, 10, 70])
    region = np.full(len(voxel), 385, np.int64)
    region[voxel[:, 2] > 75] = 409
    region[voxel[:, 0] < 73] = 394
    return {
        "source_voxel": voxel.astype(np.int32),
        "source_region": region,
        "regions": REGIONS,
        "resolution_um": 100.0,
    }


@pytest.fixture
def targets(grid):
    return {"target_voxel": grid["source_voxel"], "target_region": grid["source_region"]}


@pytest.fixture
def experiments(grid):
    """Five experiments kept of eight, one mirrored; X in [0, 1], Ω with holes."""

    def build(count=5):
        rng = np.random.default_rng(3)
        sources = len(grid["source_voxel"])
        injection = np.zeros((sources, count), np.float32)
        for column in range(count):
            first = rng.integers(0, sources - 40)
            injection[first : first + 10 * (column + 1), column] = 0.5
        return {
            "centroid": rng.uniform((7000, 1000, 7000), (8000, 1300, 8000), (count, 3)),
            "volume": np.linspace(0.05, 0.4, count),
            "primary_region": grid["source_region"][injection.argmax(axis=0)],
            "flipped": np.arange(count) == 1,
            "injection_density": injection,
            "observed": injection == 0,
        }

    return build


def texts(figure) -> str:
    """All text of a figure, one line each."""
    import matplotlib.text

    return "\n".join(item.get_text() for item in figure.findobj(matplotlib.text.Text))


def titled(figure, part: str):
    """The panel whose title holds ``part``."""
    (axes,) = [a for a in figure.axes if part in a.get_title(loc="left") + a.get_title()]
    return axes


def labelled(axis) -> bool:
    """Whether an axis has a label, or words at its ticks, or no tick labels at all."""
    ticks = [t.get_text() for t in axis.get_ticklabels() if t.get_visible() and t.get_text()]
    return bool(axis.get_label_text()) or not ticks or any(c.isalpha() for t in ticks for c in t)


def check(figure) -> None:
    """Draw a figure; panels have finite limits and labelled axes, no text lies on another."""
    assert overlapping(figure) == []
    for axes in figure.axes:
        limits = [*axes.get_xlim(), *axes.get_ylim()]
        assert np.isfinite(limits).all()
        assert limits[0] != limits[1] and limits[2] != limits[3]
        if axes.axison and axes.get_title(loc="left"):
            assert labelled(axes.xaxis) and labelled(axes.yaxis), axes.get_title(loc="left")
