"""The page in a real browser: its views, numbers beside the stores', keyboard, touch, links."""

from __future__ import annotations

import functools
import http.server
import logging
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mesomode.explorer.building import BUILT, build_page
from mesomode.explorer.stage import explorer
from mesomode.explorer.stage_networks import explorer_networks
from tests.explorer.browser import address, chromium, number, opened, shown
from tests.explorer.making import EXPERIMENTS, MODELS, VARIANTS, made_up_run
from tests.explorer.writing import write_data

pytestmark = pytest.mark.slow

UNINFORMED = 3
"""A source voxel of the made-up run of which the data say nothing."""
INSIDE = 31
"""One that has neighbours on all sides."""


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("page")
    return build_page(work / "one", work / "npm", logging.getLogger("tests"))


@pytest.fixture(scope="module")
def index(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = made_up_run(tmp_path_factory.mktemp("explored") / "made-up")
    data = write_data(run)
    explorer(
        page=page_folder,
        tracing=data / "tracing",
        models=[data / "models" / name for name in (*MODELS, "truth")],
        networks=data / "networks",
        index=run / "explorer/index.html",
    )
    return run / "explorer/index.html"


@pytest.fixture(scope="module")
def browser() -> Any:
    with chromium() as found:
        yield found


def store(index: Path, name: str) -> xr.Dataset:
    return xr.open_zarr(index.parents[1] / name, consolidated=False)


def weights(index: Path, name: str) -> np.ndarray:
    return store(index, f"connectome/{name}.zarr")["weights"].values.astype(float)


def link(index: Path, source: int = 40, **words: str) -> str:
    voxel = store(index, "atlas.zarr")["source_voxel"].values[source]
    parts = {"view": "connectome", "voxel": "-".join(map(str, voxel)), **words}
    return address(index, "&".join(f"{key}={value}" for key, value in parts.items()))


def near(value: float, wanted: float, digits: int = 4) -> None:
    """Equal within the digits that are shown and the rounding of the codes."""
    assert value == pytest.approx(wanted, rel=0.51 * 10.0 ** (1 - digits) + 2e-5, abs=1e-9)


def test_it_builds_the_same_bytes_again(page_folder, tmp_path):
    again = build_page(tmp_path / "two", page_folder.parents[1] / "npm", logging.getLogger("tests"))
    for name in BUILT:
        assert (again / name).read_bytes() == (page_folder / name).read_bytes(), name
    text = (page_folder / "explorer.js").read_text()
    assert str(page_folder) not in text and len(text) < 600_000
    assert "preact" in (page_folder / "licences.txt").read_text()


@pytest.mark.parametrize("name", [*MODELS, "truth"])
@pytest.mark.parametrize("direction", ["projections", "inputs"])
def test_numbers_of_a_voxel_are_the_stores(index, browser, name, direction):
    matrix, truth = weights(index, name), weights(index, "truth")
    pick = (lambda w: w[:, 40]) if direction == "projections" else (lambda w: w[40])
    with opened(browser, link(index, model=name, show=direction)) as page:
        page.wait_for_selector(f'[data-shown$="{name} "]')
        near(shown(page, "sum"), pick(matrix).sum())
        near(shown(page, "largest"), pick(matrix).max())
        if name != "truth":
            page.wait_for_selector('[data-number="voxel-error"]')
            off = np.linalg.norm(pick(matrix - truth)) / np.linalg.norm(pick(truth))
            near(shown(page, "voxel-error"), off, 3)
            near(shown(page, "voxel-correlation"), np.corrcoef(pick(matrix), pick(truth))[0, 1], 3)
            known = store(index, "connectome/truth.zarr")["relative_error"].values
            near(shown(page, "error"), known[MODELS.index(name)], 3)
            scores = store(index, "connectome/cross_validation.zarr")["test_voxel_mean"].values
            near(shown(page, "validation"), scores[MODELS.index(name)], 3)
        region = store(index, "atlas.zarr")["target_region"].values
        side = store(index, "atlas.zarr")["target_hemisphere"].values
        if direction == "projections":
            own = (region == 409) & (side == 1)
            near(shown(page, "mean VISl"), pick(matrix)[own].mean())


def test_a_click_chooses_the_voxel_and_the_link_says_so(index, browser):
    atlas = store(index, "atlas.zarr")
    voxel, target = atlas["source_voxel"].values, atlas["target_voxel"].values
    first = np.minimum(voxel.min(0), target.min(0)) - 1
    wanted = 100
    with opened(browser, link(index, model="voxel")) as page:
        canvas = page.locator('[data-row="model"] canvas[data-view="horizontal"]')
        box = canvas.bounding_box()
        scale = box["width"] / int(canvas.get_attribute("data-columns"))
        # the plane through the voxel chosen before
        place = np.array([voxel[wanted][0], voxel[40][1], voxel[wanted][2]])
        x, y = (place[[2, 0]] - first[[2, 0]] + 0.5) * scale
        canvas.click(position={"x": x, "y": y})
        page.wait_for_function(f'location.hash.includes("voxel={"-".join(map(str, place))}")')
        chosen = int(np.flatnonzero((voxel == place).all(1))[0])
        page.wait_for_selector(f'[data-shown^="{"-".join(map(str, place))} out"]')
        near(shown(page, "sum"), weights(index, "voxel")[:, chosen].sum())
        # what a pixel is, read by hovering
        page.mouse.move(box["x"] + x, box["y"] + y)
        there = int(np.flatnonzero((target == place).all(1))[0])
        readout = page.locator('[data-row="model"] .readout').inner_text()
        near(number(readout.rpartition(": ")[2]), weights(index, "voxel")[there, chosen])
        assert re.match(r"VIS\w+ at ap ", readout)
        # the same from above: some source voxel of the column
        canvas = page.locator('[data-row="model"] canvas[data-view="dorsal"]')
        x, y = (voxel[7][[2, 0]] - first[[2, 0]] + 0.5) * scale
        canvas.click(position={"x": x, "y": y})
        page.wait_for_function(f'location.hash.includes("voxel={voxel[7][0]}-")')


def test_the_difference_of_two_models(index, browser):
    with opened(browser, link(index, model="low_rank", compare="regional")) as page:
        page.wait_for_selector('[data-row="difference"]')
        rows = page.locator(".row").evaluate_all("rows => rows.map(r => r.dataset.row)")
        assert rows == ["model", "compare", "difference"]
        high = page.locator('[data-row="difference"] .colourbar span').nth(1).inner_text()
        off = (weights(index, "low_rank") - weights(index, "regional"))[:, 40]
        near(number(high), np.abs(off).max(), 3)
        assert page.locator("#regions thead").inner_text().count("Difference") == 1


def test_what_the_data_do_not_say(index, browser):
    with opened(browser, link(index, UNINFORMED, model="voxel")) as page:
        card = page.locator("#voxel-card")
        assert "Not informed: the nearest injection is" in card.inner_text()
        coverage = store(index, "connectome/coverage.zarr")
        lacking = int((coverage["coverage"].values != 0).sum())
        assert f"{lacking} of {coverage.sizes['source']}" in page.locator(".legend").inner_text()
        page.get_by_label("Overlay").select_option("variance_reduction")
        page.wait_for_selector('[data-row="overlay"]')
        high = page.locator('[data-row="overlay"] .colourbar span').nth(1).inner_text()
        near(number(high), coverage["variance_reduction"].values.max(), 3)
        assert "overlay=variance_reduction" in page.url


def test_the_keyboard_alone(index, browser):
    voxel = store(index, "atlas.zarr")["source_voxel"].values
    with opened(browser, link(index, INSIDE, model="voxel")) as page:
        page.wait_for_selector("[data-shown]")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset?.view") == "coronal":
                break
        else:
            raise AssertionError("the map is not reached by Tab")
        place = list(voxel[INSIDE])
        for key, axis, step in (
            ("ArrowDown", 1, 1), ("ArrowUp", 1, -1), ("ArrowLeft", 2, -1), ("PageDown", 0, 1),
        ):  # fmt: skip
            page.keyboard.press(key)
            place[axis] += step
            page.wait_for_function(f'location.hash.includes("voxel={"-".join(map(str, place))}&")')


def test_touch_and_a_small_screen(index, browser):
    options = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(link(index, model="regional"))
    page.wait_for_selector('[data-row="model"] canvas')
    before = page.url
    canvas = page.locator('[data-row="model"] canvas[data-view="horizontal"]')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + 0.85 * box["width"], box["y"] + 0.8 * box["height"])
    page.wait_for_function(f"location.href !== {before!r}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing sticks out"
    context.close()


def test_links_lead_back(index, browser):
    words = {"model": "low_rank", "compare": "truth", "show": "inputs", "overlay": "none"}
    with opened(browser, link(index, **words)) as page:
        page.wait_for_selector('[data-row="difference"]')
        first, numbers = page.url, page.locator("#numbers").inner_text()
        for name in ("Spectrum", "Networks", "Recordings", "About", "Experiments", "Connectome"):
            page.get_by_role("link", name=name, exact=True).click()
            page.wait_for_selector(f'main[data-view="{name.lower()}"]')
        assert page.url == first
    with opened(browser, first) as page:
        page.wait_for_selector('[data-row="difference"]')
        page.wait_for_selector('[data-number="voxel-error"]')
        assert page.locator("#numbers").inner_text() == numbers
        page.evaluate("location.hash = '#view=experiments&experiment=990000005&model=regional'")
        page.wait_for_function(
            "document.querySelector('.chosen button')?.textContent === '990000005'"
        )


def test_experiments(index, browser):
    wanted = 2
    errors = store(index, "connectome/regional.zarr")["experiment_error"].values
    validation = store(index, "connectome/cross_validation.zarr")["experiment_error"].values
    tracing = store(index, "tracing.zarr")
    with opened(browser, address(index, "view=experiments&model=regional")) as page:
        page.locator(f'[data-experiment="{EXPERIMENTS[wanted]}"]').click()
        page.wait_for_function(f"location.hash.includes('experiment={EXPERIMENTS[wanted]}')")
        page.wait_for_selector('[data-row="residual"]')
        near(shown(page, "experiment-error"), errors[wanted])
        rows = page.locator(".row").evaluate_all("rows => rows.map(r => r.dataset.row)")
        assert rows == ["injection", "projection", "prediction", "residual"]
        predicted = weights(index, "regional") @ tracing["injection_density"].values[:, wanted]
        seen = tracing["projection_density"].values[:, wanted]
        high = page.locator('[data-row="prediction"] .colourbar span').nth(1).inner_text()
        near(number(high), max(predicted.max(), np.nanmax(seen)), 3)
        high = page.locator('[data-row="residual"] .colourbar span').nth(1).inner_text()
        near(number(high), np.nanmax(np.abs(predicted - seen)), 3)
        page.get_by_label("held out").check()
        page.wait_for_function("location.hash.includes('held-out')")
        near(shown(page, "experiment-error"), validation[MODELS.index("regional"), wanted])
        page.locator(f'[data-experiment="{EXPERIMENTS[wanted]}"]').press("ArrowDown")
        page.wait_for_function(f"location.hash.includes('experiment={EXPERIMENTS[wanted + 1]}')")


def test_spectrum_networks_and_recordings(index, browser):
    with opened(browser, address(index, "view=spectrum")) as page:
        page.wait_for_selector('[data-chart="models"] path', state="attached")
        rank = float(store(index, "network/structure.zarr")["unbiased_inverse_effective_rank"])
        near(shown(page, "effective-rank"), 1 / rank, 3)
        assert "Truth" in page.locator('[data-chart="models"]').inner_text()
        page.get_by_role("link", name="Networks").click()
        page.wait_for_selector('[data-chart="autocovariance"] path', state="attached")
        for number_, variant in enumerate(VARIANTS):
            found = store(index, f"dynamics/{variant}.zarr")
            near(shown(page, f"dimension {number_}"), float(found["participation_ratio"]))
            near(shown(page, f"variance {number_}"), float(found["activity_autocovariance"][0]))
        page.get_by_label("show independent couplings").uncheck()
        page.get_by_label("state x").check()
        page.wait_for_function("location.hash.includes('network=0&activity=x')")
        assert "states" in page.locator('[data-chart="autocovariance"] h3').inner_text()
        first = page.locator("#networks tbody th").first.inner_text()
        assert first == "random modes random_mode", "the name in figures, and in the configuration"
        page.get_by_role("link", name="Recordings").click()
        page.wait_for_selector('[data-chart="similarity-matrix"] rect', state="attached")
        assert page.locator('[data-half-width="0"]').inner_text().endswith(" s")
        assert page.locator('[data-half-width="1"]').inner_text().endswith(" time constants")
        assert page.locator('[data-half-width="2"]').inner_text() == "no decay to a half"
        assert "no half width" in page.locator("main").inner_text(), "it is said why"
        compared = store(index, "comparison.zarr")["participation_ratio"].values
        near(shown(page, "dimension 1"), compared[1])
        apart = store(index, "comparison/similarity.zarr")["to_network"].values
        near(shown(page, "distance 0 1"), apart[0, 1])
        assert page.locator('[data-chart="similarity-matrix"] rect').count() >= 11 * 11
        page.get_by_role("link", name="About").click()
        assert "made up" in page.locator("main").inner_text()


def test_a_connectome_from_a_file_has_no_maps_and_the_page_says_so(
    page_folder, index, browser, tmp_path
):
    """What a run with `connectome: {source: file}` makes: no voxels, no models, no truth."""
    run, made = tmp_path / "from-a-file", index.parents[1]
    explorer_networks(
        structures=[made / "network/structure.zarr"],
        networks=[made / f"network/{v}.zarr" for v in VARIANTS],
        dynamics=[made / f"dynamics/{v}.zarr" for v in VARIANTS],
        comparison=made / "comparison.zarr",
        similarity=made / "comparison/similarity.zarr",
        out=run / "explorer/data/networks",
    )
    page = run / "explorer/index.html"
    explorer(page=page_folder, models=[], networks=run / "explorer/data/networks", index=page)
    charts = {"networks": "autocovariance", "spectrum": "structure0-spectrum",
              "recordings": "similarity-map"}  # fmt: skip
    with opened(browser, address(page, "view=connectome&model=voxel")) as shown_page:
        note = shown_page.locator('[role="note"]').inner_text()
        assert "read from a file" in note and "no maps" in note
        links = shown_page.locator("nav a").all_inner_texts()
        assert links == ["Spectrum", "Networks", "Recordings", "About"]
        for view, chart in charts.items():
            shown_page.get_by_role("link", name=view.capitalize()).click()
            shown_page.wait_for_selector(f'[data-chart="{chart}"] svg', state="attached")
        shown_page.get_by_role("link", name="About").click()
        about = shown_page.locator("main").inner_text()
        assert "from-a-file" in about and "Click or tap a map" not in about


def test_everything_has_a_name(index, browser):
    """What a screen reader says of each thing that can be used."""
    with opened(browser, link(index, model="voxel", compare="truth")) as page:
        page.wait_for_selector('[data-row="difference"]')
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("canvas, select, input, button, a")].filter(
              (e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(
              (e) => e.outerHTML)"""
        )
        assert nameless == []
        assert page.locator("h1, h2").count() >= 1 and page.evaluate("document.title")


def copy_without(index: Path, folder: Path, damage: Any) -> Path:
    shutil.copytree(index.parent, folder)
    damage(folder / "data")
    return folder / "index.html"


def test_missing_and_damaged_files_are_explained(index, browser, tmp_path):
    known = ("net::ERR_FILE_NOT_FOUND", "Failed to load resource", "Invalid or unexpected token")

    def explains(name: str, damage: Any, words: str, fragment: str = "") -> None:
        broken = copy_without(index, tmp_path / name, damage)
        with opened(browser, address(broken, fragment), known) as page:
            page.wait_for_selector(".problem")
            assert words in page.locator(".problem").inner_text()

    explains("a", lambda d: (d / "tracing/grid.js").unlink(), "data/tracing/grid.js is missing")
    tile = "models/voxel/from-0.js"
    explains("b", lambda d: (d / tile).unlink(), f"data/{tile} is missing", "model=voxel")

    def cut(data: Path) -> None:
        text = (data / tile).read_text()
        (data / tile).write_text(text[: len(text) // 2])

    explains("c", cut, f"data/{tile} is damaged", "model=voxel")

    def change(data: Path) -> None:
        text = (data / tile).read_text()
        middle = len(text) // 2
        other = "A" if text[middle] != "A" else "B"
        (data / tile).write_text(text[:middle] + other + text[middle + 1 :])

    explains("d", change, f"data/{tile} is damaged", "model=voxel")

    def stranger(data: Path) -> None:
        from mesomode.explorer.container import from_script, pack, script, unpack

        key, content = from_script((data / tile).read_text())
        description, arrays = unpack(content)
        (data / tile).write_text(script(key, pack({**description, "grid": "other"}, arrays)))

    explains("e", stranger, "belongs to another run", "model=voxel")
    explains("f", lambda d: (d / "networks/networks.js").unlink(), "missing", "view=networks")


def test_it_also_works_when_served(index, browser):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(index.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with opened(browser, f"http://127.0.0.1:{server.server_port}/index.html") as page:
                page.wait_for_selector("[data-shown]")
        finally:
            server.shutdown()
            thread.join()


def test_the_flatmap_where_there_is_one(index, browser, tmp_path):
    from mesomode.explorer.container import from_script, pack, script, unpack

    voxel = store(index, "atlas.zarr")["target_voxel"].values
    columns = [
        np.flatnonzero((voxel[:, [0, 2]] == [ap, ml]).all(1)) for ap, ml in voxel[:7, [0, 2]]
    ]

    def spread(data: Path) -> None:
        key, content = from_script((data / "tracing/grid.js").read_text())
        description, arrays = unpack(content)
        arrays |= {
            "flatmap_shape": np.array([1, 7], np.int32),
            "flatmap_start": np.arange(8, dtype=np.int32) * 3,
            "flatmap_voxel": np.concatenate(columns).astype(np.int32),
        }
        (data / "tracing/grid.js").write_text(script(key, pack(description, arrays)))

    spread_out = copy_without(index, tmp_path / "flat", spread)
    with opened(browser, address(spread_out, "view=connectome&model=regional")) as page:
        canvas = page.locator('[data-row="model"] canvas[data-view="flatmap"]')
        box = canvas.bounding_box()
        canvas.click(position={"x": 2.5 / 7 * box["width"], "y": box["height"] / 2})
        ap, dv, ml = voxel[columns[2][1]]
        page.wait_for_function(f'location.hash.includes("voxel={ap}-{dv}-{ml}")')
