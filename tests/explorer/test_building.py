"""The page is built again when its sources change, and says what to do when it cannot be."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mesomode.errors import MesomodeError
from mesomode.explorer import building
from mesomode.explorer.folders import whole_folder
from mesomode.status import worth_looking


def test_the_digest_follows_the_content_of_the_sources(tmp_path):
    copy = tmp_path / "page"
    shutil.copytree(building.SOURCES, copy)
    assert building.page_digest(copy) == building.page_digest()
    for file in copy.rglob("*"):
        os.utime(file, (1, 1))
    (copy / "node_modules/x").mkdir(parents=True)
    (copy / "node_modules/x/y.js").write_text("1")
    assert building.page_digest(copy) == building.page_digest()
    (copy / "src/style.css").write_text("body {}")
    changed = building.page_digest(copy)
    assert changed != building.page_digest()
    (copy / "src/style.css").rename(copy / "src/other.css")
    assert building.page_digest(copy) not in (changed, building.page_digest())


def test_the_lock_file_fits_and_names_no_registry():
    package = json.loads((building.SOURCES / "package.json").read_text())
    text = (building.SOURCES / "package-lock.json").read_text()
    lock = json.loads(text)["packages"]
    assert lock[""]["dependencies"] == package["dependencies"]
    assert "resolved" not in text and not re.search(r"https?://[^\"]*registry", text)
    libraries = [entry for name, entry in lock.items() if name]
    assert all(entry["integrity"].startswith("sha512-") for entry in libraries)


def test_without_node_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(building, "find_spec", lambda name: None)
    with pytest.raises(MesomodeError, match=r"mesomode\[explorer\](.|\n)*enabled: false"):
        building.build_page(tmp_path / "work", tmp_path / "npm", logging.getLogger("tests"))


@pytest.mark.slow
def test_without_the_registry_it_says_what_to_do(monkeypatch, tmp_path):
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    for name in ("npm_config_fetch_retries", "NPM_CONFIG_FETCH_RETRIES"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(MesomodeError) as caught:
        building.build_page(tmp_path / "work", tmp_path / "npm", logging.getLogger("tests"))
    assert "the page's libraries could not be made" in str(caught.value)
    assert "enabled: false" in str(caught.value) and "ECONNREFUSED" in str(caught.value)


@pytest.mark.slow
def test_sources_that_do_not_build_are_refused(tmp_path):
    sources = tmp_path / "page"
    shutil.copytree(building.SOURCES, sources)
    (sources / "src/main.tsx").write_text("const x = ;")
    with pytest.raises(MesomodeError, match=r"could not be made(.|\n)*main.tsx"):
        building.build_page(
            tmp_path / "work", tmp_path / "npm", logging.getLogger("tests"), sources
        )


def test_a_folder_is_whole_or_absent(tmp_path):
    place = tmp_path / "a/b"
    with pytest.raises(RuntimeError), whole_folder(place) as folder:
        (folder / "x").write_text("1")
        raise RuntimeError
    assert not place.exists() and list(place.parent.iterdir()) == []
    for text in ("1", "2"):
        with whole_folder(place) as folder:
            (folder / text).write_text(text)
    assert [file.name for file in place.iterdir()] == ["2"]


def test_mesomode_open_lists_it_first(tmp_path: Path):
    for name in ("summary.html", "explorer/index.html", "summary.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    first, meaning = next(worth_looking(tmp_path, {}))
    assert first == tmp_path / "explorer/index.html" and "browser" in meaning


@pytest.mark.slow
def test_types_of_the_page(tmp_path):
    """The compiler's own check, which bundling leaves out."""
    node, npm = building.node_program()
    folder = tmp_path / "page"
    shutil.copytree(building.SOURCES, folder)
    environment = {**os.environ, "npm_config_cache": str(tmp_path / "npm")}
    for command in ([npm, "ci", "--ignore-scripts"], ["node_modules/typescript/bin/tsc"]):
        done = subprocess.run(
            [node, *command], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
