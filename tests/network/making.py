"""Networks straight from a connectome store: both steps of the stage, for tests elsewhere."""

from __future__ import annotations

from mesomode.network.settings import Settings
from mesomode.network.stage import network_structure, network_variant
from mesomode.steps import Input, Output, Provenance, run_step, step


@step
def network_random_mode(
    *,
    connectome: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Make the random-mode network of a connectome."""
    _made("random_mode", connectome, out, settings, seed)


@step
def network_independent(
    *,
    connectome: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Make the control of independent couplings of a connectome."""
    _made("independent", connectome, out, settings, seed)


def _made(variant: str, connectome: Input, out: Output, settings: Settings, seed: int) -> None:
    structure = out.with_name(f"structure_of_{connectome.name}")
    common = {"settings": settings, "seed": seed, "threads": 1}
    run_step(network_structure, connectome=connectome, out=structure, **common)
    run_step(network_variant, structure=structure, variant=variant, out=out, **common)
