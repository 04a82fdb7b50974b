"""Build the documentation: gather its pages, run the gallery, and let Sphinx write the HTML.

``python3 workflow/start.py docs`` calls this; the pages are then in results/docs/html. Nothing is
downloaded. Hand-written pages are those beside this file, and those of workflow/reference; all
others are made from the code (generated.py).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow/gallery"


def run_gallery(pictures: Path) -> None:
    """Run every script of the gallery, one after the other."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    for script in sorted(SCRIPTS.glob("*.py")):
        done = subprocess.run(
            [sys.executable, str(script), "--out", str(pictures / f"{script.stem}.png")],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"the gallery's {script.name} failed:\n{done.stderr}")
        print(f"{script.name}: {done.stdout.strip()}", flush=True)


def gather(source: Path, pictures: Path) -> None:
    """Put all pages into one folder for Sphinx."""
    import generated

    shutil.rmtree(source, ignore_errors=True)
    here = Path(__file__).resolve().parent
    shutil.copytree(here, source, ignore=shutil.ignore_patterns("__pycache__"))
    reference = source / "reference"
    reference.mkdir(exist_ok=True)
    for name, copy in (("config", "configuration"), ("reruns", "reruns"),
                       ("own_recordings", "own_recordings")):  # fmt: skip
        text = (ROOT / f"workflow/reference/{name}.md").read_text()
        (reference / f"{copy}.md").write_text(text)
    shutil.copy(ROOT / "workflow/reference/overview.png", source / "overview.png")
    (reference / "outputs.md").write_text(generated.outputs_page(ROOT))
    (reference / "commands.md").write_text(generated.commands_page())
    generated.write_functions(ROOT, source / "functions")
    generated.write_gallery(SCRIPTS, pictures, source / "gallery")


def main() -> int:
    """Build everything; the status is Sphinx's, which counts warnings as errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results/docs", help="folder to write")
    parser.add_argument("--pictures", type=Path, default=ROOT / "results/gallery")
    parser.add_argument("--keep-pictures", action="store_true", help="do not run the gallery anew")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    if not arguments.keep_pictures:
        run_gallery(arguments.pictures)
    source, html = arguments.out / "source", arguments.out / "html"
    gather(source, arguments.pictures)
    shutil.rmtree(html, ignore_errors=True)
    from sphinx.cmd.build import main as sphinx

    options = ["-b", "html", "-W", "--keep-going", "-q", "-n"]
    doctrees = arguments.out / "doctrees"
    status = sphinx([*options, "-d", str(doctrees), str(source), str(html)])
    if not status:
        print(f"documentation: {html / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
