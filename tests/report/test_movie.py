"""The film of a moving source."""

import numpy as np
import pytest
from PIL import Image

from mesomode.report.movie import FRAMES, draw_sweep, save_film, sweep
from tests.report.conftest import texts


def test_the_path_goes_to_and_fro_through_the_middle(grid):
    voxel = grid["source_voxel"]
    path = sweep(voxel, 30)
    assert len(path) == 30 and len(set(path.tolist())) == 30
    places = voxel[path]
    assert (places[:, 1] == 11).all(), "half-way down"
    rows = np.unique(places[:, 0])
    assert (np.diff(places[:, 0]) >= 0).all() and len(rows) == 5
    turns = [np.sign(np.diff(places[places[:, 0] == ap, 2])).tolist() for ap in rows]
    assert all(set(turn) == {1 - 2 * (i % 2)} for i, turn in enumerate(turns))


def test_small_regions_have_short_paths():
    assert sweep(np.array([[3, 4, 5]])).tolist() == [0]
    line = np.stack([np.arange(4), np.zeros(4), np.zeros(4)], 1).astype(int)
    assert sweep(line).tolist() == [0, 1, 2, 3]
    many = np.argwhere(np.ones((60, 2, 60), bool))
    assert len(sweep(many)) == FRAMES


@pytest.fixture
def film(grid, targets):
    voxel = grid["source_voxel"]
    distance = np.sum((voxel[:, None] - voxel) ** 2, axis=2)
    weights = np.exp(-distance / 4)
    path = sweep(voxel, 6)
    panels = [("Voxel model", weights[:, path]), ("Truth", 0.5 * weights[:, path])]
    return draw_sweep(panels, path, **grid, **targets), path


def test_every_frame_shows_its_source(grid, film):
    (figure, show), path = film
    show(4)
    place = grid["source_voxel"][path[4]]
    assert str(place.tolist()) in texts(figure)
    fitted, true = (figure.axes[i] for i in range(2))
    assert fitted.lines[-1].get_xdata()[0] == pytest.approx((place[2] + 0.5) / 10)
    image = fitted.images[0].get_array()
    row, column = np.unravel_index(np.nanargmax(image), image.shape)
    first = grid["source_voxel"].min(axis=0)[[0, 2]] - 2
    assert [row, column] == (place[[0, 2]] - first).tolist(), "strongest where the source is"
    assert fitted.images[0].get_clim() == true.images[0].get_clim() == (0, 1)


def test_the_film_is_the_same_twice(film, tmp_path):
    (figure, show), path = film
    for name in "ab":
        save_film(figure, show, len(path), tmp_path / f"{name}.gif", dpi=40)
    first, second = ((tmp_path / f"{name}.gif").read_bytes() for name in "ab")
    assert first == second
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 6 and film.info["loop"] == 0
        assert film.size == (356, 172)
