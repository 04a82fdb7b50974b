"""The stage ``comparison``, dynamics: linear dynamics of each system, distances of all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.comparison.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

if TYPE_CHECKING:
    import numpy as np

COPIES = ("whole", "first_half", "second_half", "phase_randomised", "shuffled")
"""Every system as it is, its halves, and surrogates of recordings."""

PAIRS_AT_ONCE = 200
"""Pairs whose distances are measured between two reports of progress."""

DYNAMICS_SCHEMA = Schema(
    "system_dynamics",
    {
        "rank": Variable(("rank",), "int64", "1", "number of modes"),
        "copy": Variable(("copy",), "int8", "1", "which trials", flags=COPIES),
        "matrix": Variable(
            ("copy", "rank", "mode", "mode_from"),
            "float64",
            "1",
            "A: v(t + frame) = A v(t) in whitened delay coordinates; NaN beyond the rank",
        ),
        "signal_rank": Variable(
            ("copy",), "int64", "1", "modes on which two halves of the trials agree"
        ),
        "singular_value": Variable(
            ("copy", "coordinate"), "float64", "1", "of the delay windows, largest first"
        ),
        "tried_delays": Variable(("delay",), "int64", "1", "frames in a window"),
        "prediction": Variable(
            ("delay", "rank"),
            "float64",
            "1",
            "R² of one-step predictions of trials that the fit did not see; NaN: no such rank",
        ),
        "persistence": Variable(
            (), "float64", "1", "R² of the prediction that the next frame is like the last"
        ),
        "chosen_delays": Variable(
            (), "int64", "1", "fewest frames in a window that predict as well as the best"
        ),
        "chosen_rank": Variable((), "int64", "1", "least rank that predicts as well as the best"),
        "states": Variable((), "int64", "1", "states whose intrinsic dimension is measured"),
        "spacing": Variable((), "int64", "1", "frames between two of them"),
        **{
            name: Variable((), "float64", "1", f"{meaning} of these states; NaN: too few")
            for name, meaning in {
                "two_nearest": "TwoNN dimension",
                "two_nearest_low": "its lower limit, 95 %, without its bias,",
                "two_nearest_high": "its upper limit",
                "two_nearest_slope": "rise of it for twice as many, relative,",
                "two_nearest_shuffled": "TwoNN dimension, channels shuffled apart,",
                "levina_bickel": "Levina-Bickel dimension",
                "local_components": "components for 95 % of the variance in neighbourhoods",
                "participation_ratio": "participation ratio",
            }.items()
        },
        "scale_states": Variable(("scale",), "float64", "1", "states kept; NaN: too few"),
        "scale_dimension": Variable(("scale",), "float64", "1", "TwoNN dimension of so many"),
        "frame": Variable((), "float64", "s", "length of a frame, the same for all systems"),
        "time_constant": Variable(
            (), "float64", "s", "time constant given to a network; NaN: recording"
        ),
    },
)
DISTANCES_SCHEMA = Schema(
    "dynamical_distances",
    {
        "first": Variable(("pair",), "int64", "1", "item of a pair"),
        "second": Variable(("pair",), "int64", "1", "the other item"),
        "distance": Variable(("pair",), "float64", "1", "distance, an upper bound of the least"),
        "lower_bound": Variable(("pair",), "float64", "1", "proven lower bound of the distance"),
        "agreement": Variable(
            ("pair",), "float64", "1", "part of the searches that ended at this distance"
        ),
        "rank": Variable((), "int64", "1", "number of modes compared"),
    },
)
SIMILARITY_SCHEMA = Schema(
    "similarity",
    {
        "copy": Variable(("item",), "int8", "1", "which trials", flags=COPIES),
        "system": Variable(("item",), "int64", "1", "index in the attribute systems"),
        "distance": Variable(("item", "item_to"), "float64", "1", "dynamical distance"),
        "lower_bound": Variable(("item", "item_to"), "float64", "1", "proven lower bound"),
        "map": Variable(("item", "axis"), "float64", "1", "classical scaling of the distances"),
        "explained": Variable((), "float64", "1", "part of the squared distances in the map"),
        "rank": Variable((), "int64", "1", "number of modes compared"),
        "floor": Variable(
            ("recording",), "float64", "1", "distance between the halves of the recording"
        ),
        "animal_floor": Variable(
            ("recording",),
            "float64",
            "1",
            "median distance to recordings of other animals; NaN: there are none",
        ),
        "network_floor": Variable(
            ("network",), "float64", "1", "distance between the halves of the network's trials"
        ),
        "to_network": Variable(
            ("recording", "network"), "float64", "1", "distance of the whole signals"
        ),
        "to_surrogate": Variable(
            ("recording", "surrogate"),
            "float64",
            "1",
            "distance to its own surrogates: phase_randomised, shuffled",
        ),
        "to_recording": Variable(
            ("recording", "recording_to"), "float64", "1", "distance to the other recordings"
        ),
        "closest": Variable(
            ("recording",), "int64", "1", "network with the least distance; -1: none"
        ),
        "margin": Variable(
            ("recording",),
            "float64",
            "1",
            "distance of the second closest network less that of the closest; NaN: fewer than two",
        ),
    },
)


@step
def comparison_dynamics(
    *,
    system: Input,
    comparison: Input,
    out: Output,
    settings: Settings,
    seed: int,
    provenance: Provenance,
) -> None:
    """Fit the linear dynamics of one recording or network in delay coordinates.

    Parameters
    ----------
    system : Path
        ``recordings/<name>.zarr`` or ``dynamics/<variant>.zarr``.
    comparison : Path
        ``comparison.zarr``: the common frame, and the time constants of networks.
    out : Path
        ``comparison/systems/<kind>/<name>.zarr``.

    Raises
    ------
    DataError
        Too few units or too short for the windows; the number that is needed is stated.
    """
    import warnings

    import numpy as np
    import xarray as xr

    from mesomode.comparison.dynamic_mode_decomposition import (
        RankWarning,
        fit_delay_dynamics,
        halves,
    )
    from mesomode.comparison.dynamics_quality import select_delays_and_rank
    from mesomode.comparison.signals import phase_randomised, shuffled
    from mesomode.comparison.state_dimension import apart, state_dimension
    from mesomode.errors import DataError
    from mesomode.seeds import generator

    with open_store(comparison) as store:
        frame = float(store["frame"])
        listed = [(entry["kind"], entry["name"]) for entry in store.attrs["systems"]]
        constants = dict(zip(listed, store["time_constant"].values.tolist(), strict=True))
        correlated = dict(zip(listed, store["integrated_time"].values.tolist(), strict=True))
    kind, name, animal, trials = _trials(system, settings, frame, constants)
    scale = 1.0 if kind == "recording" else constants[kind, name]
    delays = max(1, round(settings.window_s / frame))
    one, two = ([trial for part in half for trial in part] for half in halves([trials], delays + 1))
    if not one or not two:
        raise DataError(
            f"the trials of {name} cannot be halved",
            where=system,
            why=f"there are {len(trials)} of {trials.shape[1]} frames; each half needs one of "
            f"{delays + 1}",
            remedy="use shorter trials (comparison.trial_s) or windows (comparison.window_s)",
        )
    copies: dict[str, np.ndarray | list[np.ndarray]]
    copies = {"whole": trials, "first_half": one, "second_half": two}
    if kind == "recording":
        draw = generator(seed, "comparison", f"surrogates of {name}")
        copies |= {"phase_randomised": phase_randomised(trials, draw)}
        copies |= {"shuffled": shuffled(trials, draw)}
    ranks = [rank for rank in settings.ranks if rank <= delays * trials.shape[2]]
    matrices = np.full((len(copies), len(ranks), max(ranks), max(ranks)), np.nan)
    signal, values = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)  # the rank is chosen later, for all systems
        for place, copy in enumerate(copies.values()):
            for index, rank in enumerate(ranks):
                fitted = fit_delay_dynamics(copy, delays, rank, check=rank == max(ranks))
                matrices[place, index, :rank, :rank] = fitted.matrix
            signal.append(min(fitted.signal_rank, max(ranks)))
            values.append(fitted.singular_values)
    tried = sorted({1, max(1, delays // 2), delays})
    selected = select_delays_and_rank(trials, tried, ranks, folds=max(2, min(5, len(trials))))
    states, spacing = apart(trials, correlated[kind, name] * scale / frame)
    draw = generator(seed, "comparison", f"states of {name}")
    dimensions = state_dimension(states, draw)
    scores = 1 - selected.error.mean(axis=0)
    dataset = xr.Dataset(
        {
            "matrix": (("copy", "rank", "mode", "mode_from"), matrices),
            "signal_rank": ("copy", np.array(signal, np.int64)),
            "singular_value": (("copy", "coordinate"), np.array(values)),
            "tried_delays": ("delay", np.array(tried, np.int64)),
            "prediction": (("delay", "rank"), scores),
            "persistence": ((), 1 - float(selected.persistence.mean())),
            "chosen_delays": ((), np.int64(selected.chosen[0])),
            "chosen_rank": ((), np.int64(selected.chosen[1])),
            "states": ((), np.int64(len(states))),
            "spacing": ((), np.int64(spacing)),
            **{
                key: (("scale",) * value.ndim, np.asarray(value, np.float64))
                for key, value in dimensions.items()
            },
            "frame": ((), frame),
            "time_constant": ((), constants[kind, name]),
        },
        coords={
            "rank": np.array(ranks, np.int64),
            "copy": ("copy", np.array([COPIES.index(copy) for copy in copies], np.int8)),
        },
        attrs={
            "system": name,
            "kind": kind,
            "animal": animal,
            "delays": delays,
            "trials": len(trials),
        },
    )
    logger.info(
        "%s %s: %d trials of %d frames of %.3g s, %d channels, %d delays; %d modes are signal; "
        "R² of held-out predictions %.3f at rank %d (nothing changes: %.3f), as good from rank %d "
        "and %d delays on; TwoNN dimension of %d states %.3g, of shuffled channels %.3g",
        kind,
        name,
        *trials.shape[:2],
        frame,
        trials.shape[2],
        delays,
        signal[0],
        scores[-1, -1],
        ranks[-1],
        dataset["persistence"],
        *selected.chosen[::-1],
        len(states),
        dimensions["two_nearest"],
        dimensions["two_nearest_shuffled"],
    )
    write_store(out, dataset, DYNAMICS_SCHEMA, provenance)


@step
def comparison_distances(
    *,
    systems: list[Input],
    part: int,
    parts: int,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Measure the dynamical distance of some of the pairs of systems, halves and surrogates.

    Parameters
    ----------
    systems : list of Path
        ``comparison/systems/<kind>/<name>.zarr`` of all systems.
    part : int
        Which part of the pairs, from 0.
    parts : int
        Number of parts.
    out : Path
        ``comparison/distances/<part>.zarr``.

    Raises
    ------
    DataError
        The systems differ in frame or window, so that their dynamics cannot be compared.
    """
    import numpy as np
    import xarray as xr

    from mesomode.comparison.dynamical_similarity import dynamical_distances, pairs_of
    from mesomode.progress import Progress

    items = _items(systems)
    rank, _ = _common_rank(items)
    matrices = np.stack([item["matrices"][rank] for item in items])
    pairs = pairs_of(len(items), part, parts)
    progress = Progress(logger, "distances", len(pairs), "pairs")
    found = []
    for some in np.array_split(pairs, max(1, len(pairs) // PAIRS_AT_ONCE)):
        found.append(
            dynamical_distances(matrices, settings.metric, seed, pairs=some, threads=threads)
        )
        progress.update(len(some))
    distance, lower, agreement = (
        np.concatenate([getattr(result, name) for result in found])
        for name in ("distance", "lower", "agreement")
    )
    logger.info(
        "%d of %d pairs of %d items at rank %d; %.0f %% of the searches agree",
        len(pairs),
        len(items) * (len(items) - 1) // 2,
        len(items),
        rank,
        100 * float(np.mean(agreement > 0.5)) if len(pairs) else 100.0,
    )
    dataset = xr.Dataset(
        {
            "first": ("pair", pairs[:, 0].astype(np.int64)),
            "second": ("pair", pairs[:, 1].astype(np.int64)),
            "distance": ("pair", distance),
            "lower_bound": ("pair", lower),
            "agreement": ("pair", agreement),
            "rank": ((), np.int64(rank)),
        },
        attrs={"metric": settings.metric, "items": len(items)},
    )
    write_store(out, dataset, DISTANCES_SCHEMA, provenance)


@step
def comparison_similarity(
    *,
    systems: list[Input],
    distances: list[Input],
    out: Output,
    provenance: Provenance,
) -> None:
    """Collect the distances: which network is closest, and whether that exceeds the noise floor.

    Parameters
    ----------
    systems : list of Path
        ``comparison/systems/<kind>/<name>.zarr`` of all systems.
    distances : list of Path
        ``comparison/distances/<part>.zarr`` of all parts.
    out : Path
        ``comparison/similarity.zarr``.
    """
    import numpy as np
    import xarray as xr

    from mesomode.comparison.dynamical_similarity import distance_matrix
    from mesomode.comparison.signals import classical_scaling

    items = _items(systems)
    limit = _common_rank(items)[1]
    rank, metric = 0, ""
    parts: dict[str, list[np.ndarray]] = {}
    for path in distances:
        with open_store(path) as store:
            rank, metric = int(store["rank"]), store.attrs["metric"]
            for key in ("first", "second", "distance", "lower_bound"):
                parts.setdefault(key, []).append(store[key].values)
    values = {key: np.concatenate(arrays) for key, arrays in parts.items()}
    pairs = np.stack([values["first"], values["second"]], axis=1)
    distance, lower = (
        distance_matrix(len(items), pairs, values[key]) for key in ("distance", "lower_bound")
    )
    _need_all(np.isfinite(distance), distances)
    points = classical_scaling(distance)
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    total = float(np.sum(distance**2))
    place = {(item["kind"], item["name"], item["copy"]): k for k, item in enumerate(items)}
    names = [(item["kind"], item["name"]) for item in items if item["copy"] == "whole"]
    recordings = [name for name in names if name[0] == "recording"]
    networks = [name for name in names if name[0] == "network"]
    animal = {(i["kind"], i["name"]): i["animal"] for i in items}
    strangers = np.array(
        [[animal[one] != animal[two] for two in recordings] for one in recordings], dtype=bool
    ).reshape(len(recordings), len(recordings))

    def apart(one: list[tuple[str, str]], copy: str, two: list[tuple[str, str]]) -> np.ndarray:
        rows = [place[(*name, "whole")] for name in one]
        return distance[np.ix_(rows, [place[(*name, copy)] for name in two])]

    def floors(of: list[tuple[str, str]]) -> np.ndarray:
        pairs = [(place[(*n, "first_half")], place[(*n, "second_half")]) for n in of]
        return np.array([distance[pair] for pair in pairs])

    to_network = apart(recordings, "whole", networks)
    ordered = np.sort(to_network, axis=1)
    margin = np.full(len(recordings), np.nan)
    if len(networks) > 1:
        margin = ordered[:, 1] - ordered[:, 0]
    surrogates = [np.diagonal(apart(recordings, copy, recordings)) for copy in COPIES[3:]]
    to_recording = apart(recordings, "whole", recordings)
    others = np.array(
        [np.median(row[other]) if other.any() else np.nan
         for row, other in zip(to_recording, strangers, strict=True)]
    )  # fmt: skip
    closest = to_network.argmin(axis=1) if networks else np.full(len(recordings), -1)
    dataset = xr.Dataset(
        {
            "copy": ("item", np.array([COPIES.index(i["copy"]) for i in items], np.int8)),
            "system": (
                "item",
                np.array([names.index((i["kind"], i["name"])) for i in items], np.int64),
            ),
            "distance": (("item", "item_to"), distance),
            "lower_bound": (("item", "item_to"), lower),
            "map": (("item", "axis"), points),
            "explained": ((), float(np.sum(between**2)) / total if total else np.nan),
            "rank": ((), np.int64(rank)),
            "floor": ("recording", floors(recordings)),
            "network_floor": ("network", floors(networks)),
            "to_network": (("recording", "network"), to_network),
            "to_surrogate": (("recording", "surrogate"), np.array(surrogates).T.reshape(-1, 2)),
            "to_recording": (("recording", "recording_to"), to_recording),
            "animal_floor": ("recording", others),
            "closest": ("recording", closest.astype(np.int64)),
            "margin": ("recording", margin),
        },
        attrs={
            "systems": [{"kind": k, "name": n, "animal": animal[k, n]} for k, n in names],
            "metric": metric,
            "rank_limited_by": limit and f"{limit['kind']} {limit['name']}",
        },
    )
    if limit:
        logger.info(
            "rank %d, limited by %s %s, %d of whose modes are signal",
            *(rank, limit["kind"], limit["name"], limit["signal_rank"]),
        )
    for row, (_, name) in enumerate(recordings):
        if networks:
            logger.info(
                "recording %s: closest network %s, %.3g; the next is %.3g further; halves of the "
                "recording are %.3g apart, its surrogates %.3g and %.3g",
                name,
                networks[closest[row]][1],
                to_network[row].min(),
                margin[row],
                dataset["floor"].values[row],
                *dataset["to_surrogate"].values[row],
            )
    write_store(out, dataset, SIMILARITY_SCHEMA, provenance)


def _trials(
    path: Path, settings: Settings, frame: float, constants: dict[tuple[str, str], float]
) -> tuple[str, str, str, np.ndarray]:
    """Kind, name, animal, and trials (trial, frame, channel) of a system."""
    import numpy as np

    from mesomode.comparison.signals import averaged, blocks, principal_components

    with open_store(path) as store:
        schema = store.attrs["mesomode"]["schema"]
        if schema == "recordings":
            name = path.name.removesuffix(".zarr")
            times = store["time"].values
            activity = store[str(store.attrs["signal"])].values[:, store["unit_status"].values == 0]
            binned = averaged(activity, float(np.median(np.diff(times))), frame)
            whole = np.isfinite(binned).all(axis=1)
            components = principal_components(binned[whole], settings.components)
            animal = str(store.attrs.get("specimen_name") or name)
            return "recording", name, animal, blocks(components, round(settings.trial_s / frame))
        name = str(store.attrs["variant"])
        projection = store["projection"].values[:, :, : settings.components]
        step_s = float(store["time"][1] - store["time"][0]) * constants["network", name]
        return "network", name, "", averaged(projection, step_s, max(frame, step_s))


def _items(paths: list[Path]) -> list[dict[str, Any]]:
    """Matrices of all systems and their copies, with what must agree between them."""
    from mesomode.errors import DataError

    items: list[dict[str, Any]] = []
    common: dict[tuple[float, int], str] = {}
    for path in paths:
        with open_store(path) as store:
            matrix, ranks = store["matrix"].values, store["rank"].values
            common[round(float(store["frame"]), 9), int(store.attrs["delays"])] = path.name
            items += [
                {
                    "kind": str(store.attrs["kind"]),
                    "name": str(store.attrs["system"]),
                    "animal": str(store.attrs["animal"]),
                    "copy": COPIES[code],
                    "signal_rank": int(store["signal_rank"][place]),
                    "matrices": {int(r): matrix[place, k, :r, :r] for k, r in enumerate(ranks)},
                }
                for place, code in enumerate(store["copy"].values)
            ]
    if len(common) > 1:
        (one, first), (two, second) = list(common.items())[:2]
        raise DataError(
            "systems of unequal sampling cannot be compared",
            where=f"{first}, {second}",
            why=f"frames of {one[0]:.4g} s and {one[1]} delays against {two[0]:.4g} s and "
            f"{two[1]}; the matrices depend on both",
            remedy="make both stores again by the same comparison.zarr and settings",
        )
    return items


def _common_rank(items: list[dict[str, Any]]) -> tuple[int, dict[str, Any] | None]:
    """The largest rank that is signal in every whole system, or the smallest there is.

    And the system that keeps it below the largest rank that was fitted; None: there is none.
    """
    ranks = sorted(set.intersection(*(set(item["matrices"]) for item in items)))
    least = min((i for i in items if i["copy"] == "whole"), key=lambda i: i["signal_rank"])
    good = [rank for rank in ranks if rank <= least["signal_rank"]]
    if not good:
        logger.warning(
            "%s has %d modes that its halves agree on, fewer than the least of comparison.ranks, "
            "%d: distances depend on noise",
            least["name"],
            least["signal_rank"],
            ranks[0],
        )
    return good[-1] if good else ranks[0], None if len(good) == len(ranks) else least


def _need_all(seen: np.ndarray, paths: list[Path]) -> None:
    from mesomode.errors import DataError

    if not seen.all():
        raise DataError(
            f"{int((~seen).sum()) // 2} pairs have no distance",
            where=", ".join(path.name for path in paths),
            why="parts of the pairs are missing",
            remedy="give --distances of all parts",
        )
