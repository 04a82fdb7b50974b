"""The steps that write a phantom: what a person types."""

import json

from mesomode.fetch.stage import phantom_tracing
from mesomode.phantom.settings import Settings
from mesomode.steps import run_step


def test_phantom_tracing_writes_the_manifest_and_all_it_lists(tmp_path):
    out = tmp_path / "phantom-1234" / "tracing.json"
    run_step(phantom_tracing, out=out, settings=Settings(size="tiny", experiments=3), seed=4)
    manifest = json.loads(out.read_text())
    assert len(manifest["experiments"]) == 7
    for entry in manifest["files"]:
        assert (out.parent / entry["path"]).stat().st_size == entry["bytes"]
    assert (out.parent / "truth.h5").exists()
