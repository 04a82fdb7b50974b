"""Connectomes of electron microscopy: structure against chance, matched networks, dimension.

Run ``MESOMODE_SHARED=<folder of the shared data> OMP_NUM_THREADS=1 python
benchmarks/em_connectomes.py [name … --kept rows.json]``; it writes ``em_connectomes.txt`` beside
itself once it has the rows of all connectomes. Connectomes and recordings are those of the folders
``em_connectomes`` and ``worm_wholebrain``, whose files ``SOURCE.txt`` name their origins:
worm (Cook et al. 2019, hermaphrodite, chemical synapses), larva (Winding et al. 2023), larval
mushroom body (Eichler et al. 2017, left), mouse V1 layer 2/3 (MICrONS phase 1, axons above
100 µm); whole-brain calcium imaging of worms (Dag et al. 2023).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mesomode.comparison import dimension
from mesomode.connectome.sources import import_connectome
from mesomode.dynamics import measures
from mesomode.dynamics.expectation import expected
from mesomode.dynamics.simulation import simulate
from mesomode.dynamics.theory import mean_field
from mesomode.network.coupling import Network
from mesomode.network.matching import VARIANTS, matched_network
from mesomode.network.signs import presynaptic_signs
from mesomode.network.spectrum import top_mode_share
from mesomode.network.structure import Structure, structure_of

SHARED = Path(os.environ.get("MESOMODE_SHARED", "shared")) / "data"
EM = SHARED / "em_connectomes"
NAMES = ("worm", "mushroom_body", "mouse_v1", "larva")
GAIN, NOISE = 1.0, 1.0
BLOCK_S, GAP_S = 60.0, 15.0

_HEADER = (
    f"{'connectome':14} {'sign':11} {'N':>5} {'density':>8} {'top mode':>9} {'left':>6} "
    f"{'1/PR_D':>7} {'corr.':>6} | {'shuffled':>8} {'degrees':>8} {'distance':>8} | "
    f"{'overlap':>7} {'p':>6} {'modes':>6} {'dρφ':>5} | {'CV in':>6} {'CV out':>6} "
    f"{'(shuf.)':>8} {'recipr.':>7}"
)
STRUCTURE = [
    "Structure, beside random connectomes (mean of draws). top mode: share of the largest",
    "mode in the sum of squares; left: after its removal. 1/PR_D: m4/m2² − 2; corr.: corrected",
    "for finite size and heavy tails, as for the random connectomes. overlap: root mean square",
    "of √N u·v (1 by chance), p by permutation, modes that are not chance (false discovery",
    "rate 5 %), and the largest d ρ ⟨φ'⟩ (above 1 a mode condenses). CV: of the scales of",
    "inputs and outputs.",
    _HEADER,
]
NETWORKS = [
    f"Matched networks, gain {GAIN:g}, noise {NOISE:g}, φ = erf: number of dimensions of the",
    "activity and C_φ(0), simulated (error over initial states) and by theory, of spectrum and",
    "scales, or of spectrum and overlaps; *: overlaps are left out, since a mode condenses or",
    "units differ",
    f"{'connectome':14} {'sign':11} {'variant':14} {'1/PR_D':>7} {'dimension':>15} "
    f"{'theory':>7} {'C_φ(0)':>16} {'theory':>7}",
]


def weights_of(name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Weights (target, source) of a connectome and positions of the units where known."""
    if name == "worm":
        read = import_connectome(EM / "celegans_cook2019_herm.npz", key="chem")
    elif name == "mushroom_body":
        read = import_connectome(EM / "drosophila_larva_MB_left.npz", key="adj")
    elif name == "larva":
        read = import_connectome(
            EM / "drosophila_larva_winding2023.npz",
            edge_keys=("pre", "post", "syn"),
            mask_key="selected_lcc",
        )
    else:
        file = EM / "mouse_v1_l23_microns_phase1.npz"
        read = import_connectome(file, key="adj")
        with np.load(file, allow_pickle=False) as archive:
            long, soma = archive["axon_len_um"] > 100, archive["soma_um"]
        return read.weights[np.ix_(long, long)].astype(np.float64), soma[long]
    return read.weights.astype(np.float64), None


def measured(weights: np.ndarray, position: np.ndarray | None, sign: str) -> Structure:
    """Structure of a connectome, its largest mode removed."""
    np.fill_diagonal(weights, 0.0)
    generator = np.random.default_rng(0)
    signs = None
    if sign == "presynaptic":
        signs = presynaptic_signs(len(weights), 0.2, generator)
    return structure_of(
        weights,
        generator=generator,
        inhibitory=signs,
        position=position,
        draws=2 if len(weights) > 1000 else 20,
    )


def condensation(structure: Structure, gain: float, noise: float) -> float:
    """Largest d ρ ⟨φ'⟩ of the modes: above one the theory of overlaps has no solution."""
    theory = mean_field(gain, np.inf, "erf", noise)
    return structure.modes.feedback * gain * theory.gain_average


def simulated(network: Network, gain_noise: tuple[float, float], recorded: int = 0):  # type: ignore[no-untyped-def]
    """Dimension of the simulated activity, its error, C(0), and the dimension of some units."""
    _, noise = gain_noise
    large = network.units > 1000
    trajectories = simulate(
        network,
        generator=np.random.default_rng(1),
        noise=noise,
        burn_in=40.0 if large else 100.0,
        duration=60.0 if large else 200.0,
    )
    activity = trajectories.activity()
    found = measures.dimensionality(activity, eigenvalues=False)
    variance, error = measures.autocovariance(activity, 1)
    part = np.nan
    if recorded:
        generator = np.random.default_rng(2)
        part = np.mean(
            [
                measures.dimensionality(
                    activity[:, :, generator.permutation(network.units)[:recorded]],
                    eigenvalues=False,
                ).participation_ratio
                for _ in range(10)
            ]
        )
    return found.participation_ratio, found.participation_ratio_error, variance[0], error[0], part


def structure_lines(found: dict[str, dict[str, Structure]]) -> list[str]:
    """The table of what the connectomes are like."""
    lines = []
    for name, signs in found.items():
        for sign, s in signs.items():
            test = s.modes.test
            assert test is not None
            drawn = [
                f"{s.nulls[k].inverse_effective_rank.mean():8.3f}" if k in s.nulls else f"{'–':>8}"
                for k in ("shuffled", "degrees", "distance")
            ]
            chance = s.nulls["shuffled"].target_variation.mean()
            lines.append(
                f"{name:14} {sign:11} {s.units:5d} {s.density:8.4f} "
                f"{top_mode_share(s.connectome_values):9.3f} {top_mode_share(s.modes.values):6.3f} "
                f"{s.modes.inverse_effective_rank:7.2f} "
                f"{s.modes.unbiased_inverse_effective_rank:6.2f} | {' '.join(drawn)} | "
                f"{test.root_mean_square:7.2f} {test.permutation_p_value:6.3f} "
                f"{s.modes.significant.sum():6d} {condensation(s, GAIN, NOISE):5.2f} | "
                f"{s.scales.target_variation:6.2f} {s.scales.source_variation:6.2f} {chance:8.2f} "
                f"{s.reciprocity:7.3f}"
            )
    return lines


def network_lines(found: dict[str, dict[str, Structure]]) -> list[str]:
    """The table of predicted and simulated dimensions of the matched networks."""
    lines = []
    for name, signs in found.items():
        for sign, structure in signs.items():
            for variant in VARIANTS if sign == "none" else ("heterogeneous", "connectome"):
                network = matched_network(
                    variant, structure, generator=np.random.default_rng(1), gain=GAIN
                )
                nothing = np.zeros(1)
                theory = expected(
                    network, "erf", NOISE, nothing, nothing, generator=np.random.default_rng(3)
                )
                mark = "*" if "without overlaps" in theory.kind else " "
                ratio, error, variance, spread, _ = simulated(network, (GAIN, NOISE))
                lines.append(
                    f"{name:14} {sign:11} {variant:14} {network.inverse_effective_rank:7.2f} "
                    f"{ratio:8.1f} ± {error:4.1f} "
                    f"{theory.participation_ratio * network.units:7.1f}{mark}"
                    f"{variance:8.4f} ± {spread:.4f} {theory.activity_variance:7.4f}"
                )
                print(lines[-1], flush=True)
    return lines


def recorded_dimensions() -> list[tuple[str, int, float, float, float, float]]:
    """Dimension of each recorded worm: unbiased raw and of z-scored traces, and plain ones."""
    rows = []
    for file in sorted((SHARED / "worm_wholebrain").glob("*.npz")):
        with np.load(file, allow_pickle=False) as archive:
            raw = archive["F_F20"].astype(np.float64)
            frame = float(np.median(np.diff(archive["t_confocal_s"])))
            splits = archive["idx_splits"].astype(int).T
        pieces = [(int(start) - 1, int(end)) for start, end in splits.reshape(-1, 2)]
        blocks = dimension.time_blocks(pieces, round(BLOCK_S / frame), round(GAP_S / frame))
        values = []
        for traces in (raw, dimension.zscored(raw)):
            cut = [traces[start:end] for start, end in blocks]
            values += [
                dimension.BlockMoments(cut).moments().participation_ratio,
                dimension.plain_moments(traces).participation_ratio,
            ]
        rows.append((file.stem, raw.shape[1], *values))
    return rows


def worm_lines(structures: dict[str, Structure]) -> list[str]:
    """Predicted and simulated dimension of a worm's recorded neurons beside the measured."""
    rows = recorded_dimensions()
    lines = [
        f"Worm, recorded: participation ratio from blocks of {BLOCK_S:g} s, {GAP_S:g} s apart "
        "(unbiased), and of all frames (plain)",
        f"{'animal':28} {'neurons':>7} {'raw':>6} {'plain':>6} {'z-scored':>9} {'plain':>6}",
    ]
    lines += [f"{n:28} {k:7d} {a:6.1f} {b:6.1f} {c:9.1f} {d:6.1f}" for n, k, a, b, c, d in rows]
    recorded = round(float(np.mean([row[1] for row in rows])))
    lines += [
        "",
        f"Worm, predicted for {recorded} of its neurons (all of them in brackets)",
        f"{'sign':11} {'gain':>5} {'noise':>6} {'independent':>17} {'theory of scales':>18} "
        f"{'connectome, simulated':>23} {'C_φ(0)':>7}",
    ]
    for sign, structure in structures.items():
        for gain, noise in ((1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (3.0, 0.0)):
            network = matched_network(
                "connectome", structure, generator=np.random.default_rng(1), gain=gain
            )
            independent = mean_field(gain, np.inf, "erf", noise)
            theory = mean_field(
                gain,
                1 / network.inverse_effective_rank,
                "erf",
                noise,
                target_scale=network.target_scale,
                source_scale=network.source_scale,
            )
            whole, _, variance, _, part = simulated(network, (gain, noise), recorded)
            count = network.units
            lines.append(
                f"{sign:11} {gain:5.1f} {noise:6.1f} "
                f"{independent.subsampled(count, recorded):8.1f} "
                f"({independent.participation_ratio * count:5.1f}) "
                f"{theory.subsampled(count, recorded):9.1f} "
                f"({theory.participation_ratio * count:5.1f}) {part:14.1f} ({whole:5.1f}) "
                f"{variance:8.4f}"
            )
            print(lines[-1], flush=True)
    return lines


def main(names: list[str], kept: Path | None) -> None:
    """Measure, simulate, and write the tables."""
    rows: dict[str, dict[str, list[str]]] = {}
    if kept is not None and kept.exists():
        rows = json.loads(kept.read_text(encoding="utf-8"))
    for name in names:
        start = time.process_time()
        found = {}
        for sign in ("none",) if name == "larva" else ("none", "presynaptic"):
            weights, position = weights_of(name)
            found[sign] = measured(weights, position, sign)
        rows[name] = {
            "structure": structure_lines({name: found}),
            "networks": network_lines({name: found}),
            "worm": worm_lines(found) if name == "worm" else [],
        }
        print(f"{name}: {time.process_time() - start:.0f} s of CPU time", flush=True)
        if kept is not None:
            kept.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    tables = [
        [*head, *(line for name in NAMES if name in rows for line in rows[name][part]), ""]
        for part, head in (("structure", STRUCTURE), ("networks", NETWORKS), ("worm", []))
    ]
    text = "\n".join([(__doc__ or "").split("\n")[0], "", *(line for t in tables for line in t)])
    print(text)
    if set(NAMES) <= set(rows):
        Path(__file__).with_suffix(".txt").write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(NAMES), help="connectomes to measure")
    parser.add_argument("--kept", type=Path, help="file that keeps rows from one call to the next")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        main(arguments.names, arguments.kept)
