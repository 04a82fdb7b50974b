"""How fast the page is with as many voxels as the mouse's visual cortex has."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesomode.explorer.building import build_page
from mesomode.explorer.container import pack, script
from mesomode.explorer.tiles import bits_of, tiles_of, vectors_per_tile
from tests.explorer.browser import address, chromium, opened

pytestmark = pytest.mark.slow

VOXELS = 7500
CLICKS = 12
LOAD_MS, CLICK_MS = 2000, 200
MEASURE = """async (points) => {
  const rows = document.querySelector("[data-shown]");
  const canvas = document.querySelector('[data-row="model"] canvas[data-view="dorsal"]');
  const times = [];
  for (const [x, y] of points) {
    const box = canvas.getBoundingClientRect();
    const before = rows.dataset.shown;
    const start = performance.now();
    const drawn = new Promise((done) => {
      new MutationObserver((_, watcher) => {
        watcher.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
      }).observe(rows, { attributes: true, attributeFilter: ["data-shown"] });
    });
    canvas.dispatchEvent(new MouseEvent("click", { bubbles: true,
      clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
    times.push((await drawn) - start);
    await new Promise((done) => setTimeout(done, 50));
    if (rows.dataset.shown === before) throw new Error("the click changed nothing");
  }
  return times;
}"""


def curved_sheet(count: int) -> np.ndarray:
    """Voxels of a sheet seven deep that bends away from the top: (voxel, 3) in order."""
    side = int(np.ceil(np.sqrt(count / 7)))
    ap, ml, depth = np.meshgrid(range(side), range(side), range(7), indexing="ij")
    bend = np.rint(0.012 * (ap - side / 2) ** 2 + 0.02 * ml**2).astype(int)
    voxel = np.stack([ap + 70, depth + bend + 5, ml + 60], axis=-1).reshape(-1, 3)
    voxel = np.unique(voxel, axis=0)[:count]
    assert len(voxel) == count
    return voxel


class Smooth:
    """Weights that fall off with distance, with ripples; rows are made when they are asked for."""

    def __init__(self, voxel: np.ndarray, width: float) -> None:
        self.voxel, self.width = voxel.astype(np.float32), np.float32(width)
        self.shape = (len(voxel), len(voxel))

    def __getitem__(self, rows: slice) -> np.ndarray:
        square = ((self.voxel[rows, None] - self.voxel[None]) ** 2).sum(axis=2)
        ripple = 1 + 0.2 * np.sin(7.3 * self.voxel[None, :, 0] + self.voxel[rows, None, 2])
        return np.exp(-square / self.width) * ripple * np.float32(1e-3)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two models in tiles; only projections, which is what is clicked."""
    folder = tmp_path_factory.mktemp("large")
    built = build_page(folder / "work", folder / "npm", logging.getLogger("tests"))
    page = folder / "explorer"
    built.rename(page)
    voxel = curved_sheet(VOXELS)
    region = ((voxel[:, 2] > 78) + 2 * (voxel[:, 0] > 88)).astype(np.int32)

    def write(key: str, description: Any, arrays: Any) -> None:
        file = page / f"data/{key}.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script(key, pack(description, arrays)))

    bits = bits_of(VOXELS * VOXELS)
    for name, width in (("voxel", 40.0), ("linear", 90.0)):
        size = vectors_per_tile(VOXELS, bits)
        for number, tile in tiles_of(Smooth(voxel, width), bits):  # type: ignore[arg-type]
            write(f"models/{name}/from-{number}", {"grid": "g", "items": VOXELS}, tile)
        write(
            f"models/{name}/model",
            {"kind": "tiles", "bits": bits, "error": 2e-3, "grid": "g",
             "per_tile": {"from": size, "to": size}},
            {"regional": np.ones((4, 4))},
        )  # fmt: skip
    regions = [
        {"id": k, "acronym": f"R{k}", "name": f"region {k}", "rgb": [0, 0, 0],
         "sources": int((region == k).sum()), "targets": int((region == k).sum())}
        for k in range(4)
    ]  # fmt: skip
    coverage = {
        "classes": ["informed", "out_of_reach"], "reach": 200.0,
        "quantities": {},
    }  # fmt: skip
    ones = np.ones(VOXELS, np.float32)
    write(
        "tracing/grid",
        {"grid": "g", "resolution_um": 100, "regions": regions, "experiments": [], "selection": {},
         "errors": {}, "source": {}, "shape": [132, 80, 114], "coverage": coverage},
        {"source_voxel": voxel.astype(np.int32), "target_voxel": voxel.astype(np.int32),
         "source_region": region, "target_region": region,
         "target_side": np.ones(VOXELS, np.uint8), "coverage": (voxel[:, 0] > 99).astype(np.uint8),
         "injections": ones, "distance_to_injection": ones, "observed_fraction": ones,
         "variance_reduction": ones},
    )  # fmt: skip
    manifest = {"run": "large", "tracing": True, "models": ["voxel", "linear"], "bytes": 0,
                "files": 0}  # fmt: skip
    write("run", manifest, {})
    return page / "index.html"


def crowding() -> float:
    """How many processes share a core: where others compute too, everything takes longer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def fastest(measure: Any, limit: float, attempts: int = 4) -> float:
    """The least of some measurements, as taken; none after the first within the limit."""
    found = []
    while len(found) < attempts and (not found or found[-1] >= limit):
        found.append(measure())
    return min(found)


def test_load_and_click_at_full_size(large, record_property, capsys):
    places = np.random.default_rng(5).uniform(0.25, 0.75, (CLICKS, 2)).tolist()
    link = address(large, "view=connectome&model=voxel&compare=linear")
    with chromium() as browser:

        def load() -> float:
            with opened(browser, link) as page:
                page.wait_for_selector('[data-row="difference"]')
                return page.evaluate("performance.getEntriesByName('shown')[0].startTime")

        def click() -> float:
            with opened(browser, link) as page:
                page.wait_for_selector('[data-row="difference"]')
                return float(np.median(page.evaluate(MEASURE, places)))

        loaded, clicked = fastest(load, LOAD_MS), fastest(click, CLICK_MS)
    shared = crowding()
    size = sum(f.stat().st_size for f in large.parent.rglob("*.js"))
    numbers = {
        "voxels": VOXELS,
        "load_ms": round(loaded),
        "click_ms": round(clicked),
        "processes_a_core": round(shared, 1),
        "megabytes_of_two_models_one_way": round(size / 1e6),
    }
    record_property("explorer", json.dumps(numbers))
    with capsys.disabled():
        print(f"\nexplorer at full size: {numbers}")
    # the numbers are as taken; only the limits allow for what else the machine computes
    assert loaded < LOAD_MS * shared
    assert clicked < CLICK_MS * shared, "median of the clicks, each in another tile, two models"
