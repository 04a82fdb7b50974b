"""The documentation is whole before it is built: examples, links, and what is made from code."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path
from typing import get_args

import pytest

from mesomode.cli import app, find_steps
from mesomode.network.names import VARIANT_NAMES
from mesomode.network.settings import Variant
from mesomode.store import Schema

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "workflow/docs"
PAGES = [ROOT / "README.md", *sorted((ROOT / "workflow").rglob("*.md"))]
MADE = ("reference/", "functions/", "gallery/")
"""Folders of pages that the build makes."""


@pytest.fixture(scope="module")
def generated():
    """The module that makes pages from the code."""
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("generated")
    finally:
        sys.path.remove(str(DOCS))


def examples() -> list[tuple[str, str]]:
    """Every fenced Python example, with where it stands."""
    found = []
    for page in PAGES:
        for match in re.finditer(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
            line = page.read_text()[: match.start()].count("\n") + 2
            found.append((f"{page.relative_to(ROOT)}:{line}", match[1]))
    return found


@pytest.mark.parametrize(("place", "code"), examples(), ids=lambda value: value[:60].split("\n")[0])
def test_python_examples_compile_and_import(place, code):
    for node in ast.walk(ast.parse(code, place)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{place}: no {alias.name} in {node.module}"


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings, as GitHub and the build write them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    found: set[str] = set(re.findall(r"^\(([\w-]+)\)=$", text, re.M))
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        same = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in found)
        found.add(f"{name}-{same}" if same else name)
    return found


def test_anchors_of_headings(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b`, [c](d.md) … e?\n\n## Same\n\n```\n# no heading\n```\n\n## Same\n")
    assert anchors(page) == {"a-b-c--e", "same", "same-1"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_sources(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        if not path:
            assert anchor in anchors(page), f"{page.name} links to {target}, which does not exist"
            continue
        inside = (page.parent / path).resolve()
        if DOCS in page.parents and str(inside.relative_to(ROOT)).startswith("workflow/docs/"):
            relative = str(inside.relative_to(DOCS))
            if relative.startswith(MADE) or relative == "overview.png":
                continue
        assert inside.exists(), f"{page.name} links to {target}, which does not exist"
        if anchor and inside.suffix == ".md":
            assert anchor in anchors(inside), f"{page.name} links to {target}, which has no anchor"


def test_the_readme_says_which_name_is_which_variant():
    readme = " ".join((ROOT / "README.md").read_text().split())
    caption = " ".join((ROOT / "workflow/report/network.rst").read_text().split())
    assert set(VARIANT_NAMES) == set(get_args(Variant))
    for variant, name in VARIANT_NAMES.items():
        assert f"{name} (`{variant}`)" in readme
        assert re.search(rf"{name}( itself)? \({variant}[;)]", caption)


def test_every_page_is_reached():
    text = (DOCS / "index.md").read_text() + (DOCS / "science/index.md").read_text()
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("")
        assert re.search(rf"^({name}|{name.name})$", text, re.M) or name.name == "index", name


def test_the_mathematics_is_two_clicks_from_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert "(workflow/docs/science/index.md)" in readme
    pages = re.findall(r"\]\((\w+\.md)\)", (DOCS / "science/index.md").read_text())
    assert len(pages) >= 6
    for name in pages:
        text = (DOCS / "science" / name).read_text()
        assert "mesomode." in text and "$" in text, f"{name} has no equation or no function"


def test_every_store_is_described(generated):
    page = generated.outputs_page(ROOT)
    schemas: dict[int, Schema] = {}
    for stage in {module.rpartition(".")[0] for module, _ in find_steps().values()}:
        for file in (ROOT / "src" / stage.replace(".", "/")).glob("*.py"):
            if "Schema(" in file.read_text():
                module = importlib.import_module(f"{stage}.{file.stem}")
                schemas |= {id(v): v for v in vars(module).values() if isinstance(v, Schema)}
    assert len(schemas) >= 20
    described = {id(schema) for step in find_steps() if (schema := generated.schema_of(step))}
    assert described == set(schemas)
    for schema in schemas.values():
        for variable in schema.variables:
            assert f"| `{variable}` |" in page, f"{schema.name}: {variable}"


def test_every_command_is_described(generated):
    page = generated.commands_page()
    for name in (*app.commands, *find_steps()):
        assert f"### `mesomode {name}`" in page


def test_every_rule_and_its_outputs_are_found(generated):
    found = list(generated.rules(ROOT))
    assert {"atlas", "connectome_voxel", "network", "dynamics", "comparison"} <= {
        rule.name for rule in found
    }
    for rule in found:
        assert rule.outputs, f"no output of the rule {rule.name} was found"
        assert not any(set(path) & set("{}") for path in rule.outputs), rule.outputs


def test_every_module_of_mathematics_is_described(generated):
    names = {name for of_stage in generated.modules(ROOT).values() for name in of_stage}
    assert {"mesomode.connectome.spline", "mesomode.dynamics.theory", "mesomode.store"} <= names
    assert not any("stage" in name or "settings" in name.split(".")[2:] for name in names)


def test_every_figure_can_be_made_alone_as_svg_and_png(generated):
    figures = [rule for rule in generated.rules(ROOT) if rule.name.startswith("figure_")]
    assert len(figures) >= 15
    for rule in figures:
        drawn = {Path(path).suffix for path in rule.outputs if "/figures/" in path}
        assert {".svg", ".png"} <= drawn, rule.name
