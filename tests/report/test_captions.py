"""Captions render against any configuration and state the numbers used."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from mesomode.workflow import Plan

ROOT = Path(__file__).resolve().parents[2]
CAPTIONS = sorted((ROOT / "workflow/report").glob("*.rst"))
RULES = "".join(file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk")))
CONFIGURATIONS = {
    "default": {},
    "allen": {
        "source": "allen",
        "atlas": {"target_hemispheres": "both"},
        "tracing": {"transgenic_lines": "any", "injection_shell": 2, "exclude": [7, 8]},
        "connectome": {
            "boundaries": "regional",
            "smoothing": 3e4,
            "outer_folds": 0,
            "bootstrap": 200,
        },
        "network": {"units": 345, "gain": 2.5},
        "dynamics": {"noise": 0.25},
        "recordings": {"epoch": "natural_movie_one", "bin_s": 0.5},
        "comparison": {"common_units": 67, "remove_frame_noise": False},
    },
    "file": {
        "connectome": {"source": "file", "file": "mine.npz", "outer_folds": 0},
        "report": {"source_voxel": [80, 12, 75]},
        "dynamics": {"noise": 0, "trajectories": 17, "duration": 90, "nonlinearity": "tanh"},
        "tracing": {"transgenic_lines": ["Cux2-IRES-Cre"]},
        "fetch": {"transgenic_lines": ["Cux2-IRES-Cre"]},
    },
}


def rendered(caption: Path, configuration: str) -> str:
    """HTML of a caption, made as Snakemake does it, but strict about missing keys."""
    from docutils.core import publish_parts
    from jinja2 import Environment, StrictUndefined

    values = Plan(CONFIGURATIONS[configuration]).values
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    snakemake = SimpleNamespace(config=values, wildcards=SimpleNamespace(session="31"))
    text = environment.from_string(caption.read_text()).render(snakemake=snakemake)
    settings = {"halt_level": 2, "report_level": 2}
    return publish_parts(text, writer_name="html", settings_overrides=settings)["body"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_captions_render(caption, configuration):
    body = rendered(caption, configuration)
    assert len(body) > 100
    assert re.search(r"seed\s+(of the run: )?1\b", body, re.IGNORECASE), "the seed is stated"
    assert "{" not in body and "None" not in body and "system-message" not in body


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize(
    "name, configuration, numbers",
    [
        ("injections", "default", ["0.95", "0.7 mm³"]),
        ("injections", "allen", ["within 2 voxels", "7, 8", "any line"]),
        ("injections", "file", ["Cux2-IRES-Cre"]),
        ("fit", "default", ["1e-05", "All experiments were fitted"]),
        ("connectome", "allen", ["= 30000,", "within regions only", "of rank 20"]),
        (
            "cross_validation",
            "default",
            [
                *("3 outer and 3 inner", "λ of", "; rank 20 of the low-rank", "800 µm;", "0.001"),
                *("Large open markers", "λ = 300 for all"),
            ],
        ),
        ("projection", "allen", ["other hemisphere", "λ = 30000"]),
        ("projection", "file", ["the voxel [80, 12, 75] [ap, dv, ml]"]),
        ("residual", "default", ["own of 3 outer folds"]),
        ("residual", "allen", ["fit is that to all experiments"]),
        ("residual", "file", ["fit is that to all experiments"]),
        ("informed", "allen", ["over 200 fits"]),
        ("informed", "default", ["No bootstrap"]),
        ("sweep", "default", ["λ = 300."]),
        ("network", "allen", ["345 units", "g = 2.5,", "uneven units (heterogeneous)"]),
        ("network", "file", ["mine.npz"]),
        ("dynamics", "file", ["tanh", "17 random", ": 90 time constants", "without noise"]),
        ("dynamics", "allen", ["σ² = 0.25", "g = 2.5"]),
        ("session", "allen", ["Session 31", "natural movie one", "bins of 0.5 s"]),
        ("comparison", "allen", ["67 units", "recordings include noise"]),
        ("workflow", "default", ["Synthetic", "seed 1"]),
        ("workflow", "allen", ["citation is mandatory", "nature13186", "non-commercial"]),
    ],
)
def test_captions_state_the_numbers_used(name, configuration, numbers):
    text = re.sub(
        r"<[^>]+>|\s+", " ", rendered(ROOT / f"workflow/report/{name}.rst", configuration)
    )
    for number in numbers:
        assert number in text


def test_every_caption_is_used_and_exists():
    used = set(re.findall(r"\.\./report/(\w+)\.rst", RULES))
    assert used == {path.stem for path in CAPTIONS}
