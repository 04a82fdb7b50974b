"""Real recordings beside networks: the steps of the pipeline on files of one's own.

In a run the same is had by naming the files in ``config.yaml`` (see
workflow/reference/own_recordings.md); the report then shows the recordings in the figures
session_<name>, comparison, similarity, representations and intrinsic_dimension, and in the table of
closest networks. The entries are those of `files`::

    recordings:
      files:
        gratings:
          path: allen_bo_2p/drifting_gratings.h5
          names: {pieces: segment_bounds, unit: cell_specimen_ids,
                  stimulus/drifting_gratings/start: onset_frame_global}
          transposed: true
          period_s: 0.03333333
          tables: {drifting_gratings: allen_bo_2p/drifting_gratings_stimulus_table.csv}
          presentation_s: 2.0

Here the steps are run one by one, so that the networks of another run can be taken:

    python benchmarks/real_recordings.py --data DATA --dynamics results/default/dynamics
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

import numpy as np

from mesomode.comparison.settings import Settings
from mesomode.comparison.stage import comparison
from mesomode.comparison.stage_representations import comparison_representations
from mesomode.comparison.stage_similarity import (
    comparison_distances,
    comparison_dynamics,
    comparison_similarity,
)
from mesomode.recordings.settings import RecordingFile
from mesomode.recordings.settings import Settings as RecordingsSettings
from mesomode.recordings.stage import recordings
from mesomode.recordings.stage_files import own_recording
from mesomode.report.closest import closest_rows, conclusions
from mesomode.steps import run_step
from mesomode.store import open_store


def files(data: Path) -> dict[str, RecordingFile]:
    """What stands below ``recordings.files`` in the configuration."""
    gratings = data / "allen_bo_2p"
    found = {
        "gratings": RecordingFile(
            path=str(gratings / "drifting_gratings.h5"),
            names={
                "pieces": "segment_bounds",
                "unit": "cell_specimen_ids",
                "stimulus/drifting_gratings/start": "onset_frame_global",
            },
            transposed=True,
            period_s=1 / 30,
            tables={"drifting_gratings": str(gratings / "drifting_gratings_stimulus_table.csv")},
            presentation_s=2.0,
            citation="Allen Institute, Visual Coding 2P (de Vries et al. 2020)",
        )
    }
    return {name: entry for name, entry in found.items() if Path(entry.path).exists()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--dynamics", type=Path, required=True, help="stores of networks")
    parser.add_argument("--work", type=Path, required=True, help="folder for the stores")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".txt"))
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    settings, seed = Settings(), 1
    sessions, lines = [], []
    for name, entry in files(options.data).items():
        raw, store = work / f"{name}.h5", work / f"{name}.zarr"
        if not store.exists():
            run_step(own_recording, file=Path(entry.path), out=raw, settings=entry)
            run_step(recordings, raw=raw, out=store, settings=RecordingsSettings(), seed=seed)
        sessions.append(store)
        lines += recorded(name, store)
    networks = sorted(options.dynamics.glob("*.zarr"))
    networks = [path for path in networks if "projection" in {p.name for p in path.iterdir()}]
    compared = work / "comparison.zarr"
    run_step(comparison, dynamics=networks, recordings=sessions, out=compared, settings=settings)
    systems = []
    for path in [*sessions, *networks]:
        systems.append(work / f"system_{path.stem}.zarr")
        run_step(
            comparison_dynamics,
            system=path,
            comparison=compared,
            out=systems[-1],
            settings=settings,
            seed=seed,
        )
    distances, similarity = work / "distances.zarr", work / "similarity.zarr"
    run_step(
        comparison_distances,
        systems=systems,
        part=0,
        parts=1,
        out=distances,
        settings=settings,
        seed=seed,
        threads=2,
    )
    run_step(comparison_similarity, systems=systems, distances=[distances], out=similarity)
    represented = work / "representations.zarr"
    run_step(
        comparison_representations,
        recordings=sessions,
        out=represented,
        settings=settings,
        seed=seed,
    )
    lines += ["", *apart(similarity, compared), "", *states(systems), "", *seen(represented)]
    used = resource.getrusage(resource.RUSAGE_SELF)
    lines += ["", f"{used.ru_utime:.0f} CPU s, {used.ru_maxrss / 1e6:.1f} GB"]
    head = "Real recordings beside networks of the phantom: see real_recordings.py"
    text = "\n".join([head, "", *lines]) + "\n"
    print(text)
    options.out.write_text(text)


def recorded(name: str, path: Path) -> list[str]:
    """Key numbers of a recording."""
    with open_store(path) as store:
        status = store["unit_status"].values
        lines = [
            f"{name}: {len(status)} units, {int(np.sum(status == 0))} used; "
            f"dimension {float(store['participation_ratio_plain']):.2f} plain, "
            f"{float(store['participation_ratio']):.1f} ± "
            f"{float(store['participation_ratio_error']):.1f} unbiased; "
            f"half width {float(store['half_width']):.3g} s"
        ]
        for place in range(store.sizes["test"]):
            p = store["tuning_p_value"].values[place]
            tuned = p < 0.01
            lines.append(
                f"  tuned {int(tuned.sum())} of {len(p)} ({100 * tuned.mean():.1f} %); of the "
                f"tuned, median reliability "
                f"{np.median(store['reliability'].values[place][tuned]):.3f} and ceiling "
                f"{np.median(store['noise_ceiling'].values[place][tuned]):.3f}"
            )
    return lines


def apart(similarity: Path, compared: Path) -> list[str]:
    """Distances between halves, to surrogates and to networks."""
    with open_store(similarity) as store, open_store(compared) as comparison_store:
        rows = closest_rows(store, comparison_store)
        head = f"Distance of dynamics ({store.attrs['metric']}, rank {int(store['rank'])})"
    lines = [head]
    for name in dict.fromkeys(row["recording"] for row in rows):
        own = [row for row in rows if row["recording"] == name]
        lines += [
            f"  {name}: between its halves {own[0]['between halves']:.3f}; to its surrogates: "
            f"phases randomised {own[0]['phases randomised']:.3f}, frames shuffled "
            f"{own[0]['frames shuffled']:.3f}",
            *(
                f"    {row['network']:16} {row['distance']:.3f}  floor {row['floor']:.3f}  "
                f"told apart: {row['told apart']}  ranked behind: {row['ranked'] or '-'}"
                for row in own
            ),
        ]
    return [*lines, *(f"  {line}" for line in conclusions(rows))]


def states(systems: list[Path]) -> list[str]:
    """Intrinsic dimension and prediction of every system."""
    lines = [
        f"  {'states':16} {'number':>7} {'TwoNN':>6} {'95 %':>13} {'shuffled':>9} {'L-B':>6} "
        f"{'local':>6} {'PR':>6} {'slope':>6}  R² at the largest rank, nothing changes, chosen"
    ]
    for path in systems:
        with open_store(path) as store:
            low, high = (float(store[f"two_nearest_{end}"]) for end in ("low", "high"))
            lines.append(
                f"  {store.attrs['system']:16} {int(store['states']):7d} "
                f"{float(store['two_nearest']):6.2f} {low:6.2f}-{high:6.2f} "
                f"{float(store['two_nearest_shuffled']):9.2f} {float(store['levina_bickel']):6.2f} "
                f"{float(store['local_components']):6.2f} "
                f"{float(store['participation_ratio']):6.2f} "
                f"{float(store['two_nearest_slope']):6.2f}  "
                f"{store['prediction'].values[-1, -1]:.3f} {float(store['persistence']):.3f} rank "
                f"{int(store['chosen_rank'])}, {int(store['chosen_delays'])} delays"
            )
    return lines


def seen(represented: Path) -> list[str]:
    """Noise ceilings of what was shown."""
    lines = []
    with open_store(represented) as store:
        for place, item in enumerate(store.attrs["populations"]):
            numbers = {
                name: float(store[name][place])
                for name in ("ceiling_halves", "ceiling", "ceiling_extrapolated", "ceiling_units")
            }
            lines.append(
                f"  {item['name']}, {item['stimulus']}: {int(store['images'][place])} conditions, "
                f"{int(store['repeats'][place])} trials; SSM of halves "
                f"{numbers['ceiling_halves']:.3f}, of all {numbers['ceiling']:.3f} "
                f"(extrapolated {numbers['ceiling_extrapolated']:.3f}), of halves of the units "
                f"{numbers['ceiling_units']:.3f}; TwoNN {float(store['two_nearest'][place]):.1f} "
                f"({float(store['two_nearest_low'][place]):.1f}-"
                f"{float(store['two_nearest_high'][place]):.1f})"
            )
    return lines


if __name__ == "__main__":
    main()
