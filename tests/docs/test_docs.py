"""The documentation builds without a warning, every link works, nothing needs a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


class Built(NamedTuple):
    """The built pages and what was said on the way."""

    html: Path
    output: str


class Page(HTMLParser):
    """Identities and references of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.identities: set[str] = set()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collect what a tag refers to."""
        given = dict(attributes)
        self.identities |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("img", "script", "source") and given.get("src"):
            self.resources.append(given["src"])
        if tag == "link" and given.get("href"):
            self.resources.append(given["href"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Documentation and gallery, built once."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "workflow/docs/build.py", "--out", str(folder),
         "--pictures", str(folder / "pictures")],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(folder / "html", done.stdout)


@pytest.fixture(scope="module")
def pages(built: Built) -> dict[Path, Page]:
    """Every page, read."""
    return {file: Page(file.read_text()) for file in sorted(built.html.rglob("*.html"))}


def test_every_internal_link_and_anchor_works(built, pages):
    assert len(pages) > 30
    seen = 0
    for file, page in pages.items():
        for reference in page.links + page.resources:
            parts = urlsplit(reference)
            if parts.scheme or parts.netloc or file.name in ("search.html", "genindex.html"):
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), f"{file.relative_to(built.html)}: {reference}"
            if parts.fragment and target in pages:
                identity = unquote(parts.fragment)
                assert identity in pages[target].identities, f"{file.name}: {reference}"
                seen += 1
    assert seen > 500, "anchors were followed"


def test_pages_need_no_network(pages):
    for file, page in pages.items():
        for reference in page.resources:
            assert not urlsplit(reference).netloc, f"{file.name} loads {reference}"


def test_equations_are_drawn_by_the_browser(built):
    for name, least in (("connectome", 10), ("network", 8), ("dynamics", 15), ("comparison", 4)):
        text = (built.html / f"science/{name}.html").read_text()
        assert text.count("<math") >= least
        for left in (r"\frac", r"\Omega", "$$"):
            assert left not in re.sub(r"<[^>]*>", "", text), f"{name}: {left} was left as it is"


def test_functions_are_linked_from_the_science(built):
    text = (built.html / "science/connectome.html").read_text()
    for target in ("spline.fit_spline", "duality.lower_bound", "laplacian.graph_laplacian"):
        assert f'functions/connectome.html#mesomode.connectome.{target}"' in text


def test_no_path_of_this_machine_and_no_registry(built):
    own = {str(ROOT), str(built.html.parent), str(Path.home())}
    for file in sorted(built.html.rglob("*")):
        if file.suffix in (".html", ".js", ".svg", ".inv", ".txt"):
            text = file.read_bytes().decode(errors="replace")
            for place in own:
                assert place + "/" not in text, f"{file.name} names {place}"
            found = re.search(r"(//registry\.|/simple/|/tmp/)", text)
            assert not found, f"{file.name} names {found[0]}"


def test_the_gallery_says_what_its_pictures_show(built):
    for script in sorted((ROOT / "workflow/gallery").glob("*.py")):
        assert (built.html / f"gallery/{script.stem}.html").exists()
        assert (built.html.parent / f"pictures/{script.stem}.png").stat().st_size > 5000
    error, gap = re.search(
        r"relative error ([\d.]+); proven within (\S+) of", built.output
    ).groups()
    assert float(error) < 0.35 and float(gap) <= 1e-5
    numbers = re.findall(r"(\d+) ± (\d+) dimensions simulated, (\d+) by theory", built.output)
    assert len(numbers) == 2
    for simulated, spread, theory in np.array(numbers, dtype=float):
        assert abs(simulated - theory) < 0.05 * theory + 3 * spread
    assert float(numbers[0][2]) < 0.8 * float(numbers[1][2]), "effective rank matters"
    same, other = re.search(r"A and B ([\d.]+) rad, A and C ([\d.]+)", built.output).groups()
    assert float(same) < 0.05 < 0.5 < float(other)


def test_the_examples_of_the_readme_run():
    """The two Python examples, with data of the shapes that they name."""
    generator = np.random.default_rng(0)
    examples = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert len(examples) == 2
    voxels = np.argwhere(np.ones((4, 4), bool))
    angle = 0.3 * np.arange(400)
    wave = np.stack([np.sin(angle), np.cos(angle)])[None].repeat(6, 0).transpose(0, 2, 1)
    mixed = wave @ generator.standard_normal((2, 8))
    names = {
        "matrix": generator.standard_normal((120, 120)),
        "recorded": mixed + 0.3 * generator.standard_normal(mixed.shape),
        "simulated": mixed + 0.3 * generator.standard_normal(mixed.shape),
        "X": generator.uniform(size=(5, 16)), "Y": generator.uniform(size=(5, 16)),
        "Omega": np.ones((5, 16), bool), "source_voxels": voxels, "target_voxels": voxels,
    }  # fmt: skip
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ranks above the signal's
        for code in examples:
            exec(compile(code, "README.md", "exec"), names)
    assert names["network"].units == 120
    assert names["theory"].participation_ratio > 0
    assert names["model"].weights_.shape == (16, 16)
