"""The stage ``comparison``, representations: what populations of recordings make of stimuli."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.comparison.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from mesomode.comparison.populations import Population

INHIBITORY = ("Sst", "Vip", "Pvalb")
LAYERS_BY_DEPTH = ((200, "L2/3"), (300, "L4"), (500, "L5"))
"""Imaging depths in µm up to which a cell counts to a layer of the cortex (Shi et al. 2019)."""
OF_PAIRS = {
    "ssm": "similarity of similarity matrices",
    "cka": "debiased centred kernel alignment; NaN: a population too noisy",
    "svcca": "mean canonical correlation of one component for ten images",
    "shape": "Procrustes distance in rad",
}

SCHEMA = Schema(
    "representations",
    {
        **{
            name: Variable(("population",), "int64", "1", meaning)
            for name, meaning in {
                "images": "number of conditions, blank screen left out",
                "units": "number of units",
                "repeats": "number of trials of each condition",
            }.items()
        },
        **{
            name: Variable(("population",), "float64", "1", meaning)
            for name, meaning in {
                "ceiling_halves": "SSM of the means over halves of the trials; NaN: silent images",
                "ceiling": "the same for all trials, after Spearman and Brown",
                "ceiling_extrapolated": "the same, with products of noise; NaN: < 6 trials",
                "ceiling_units": "SSM of halves of the units; NaN: fewer than 8",
                "reliability": "median over units, for all trials",
                "participation_ratio": "dimension of the mean responses, noise included",
                "two_nearest": "TwoNN dimension of the mean responses",
                "two_nearest_low": "lower limit, 95 %, without its bias",
                "two_nearest_high": "upper limit",
                "components_90": "principal components for 90 % of the variance",
                "pseudo_depth": "layer of the features that is most similar; NaN: no images",
                "pseudo_depth_low": "2.5 % of the bootstraps over units lie below",
                "pseudo_depth_high": "2.5 % lie above",
            }.items()
        },
        **{
            name: Variable(("population", "layer"), "float64", "1", f"{meaning}; NaN: no images")
            for name, meaning in {
                "layer_similarity": "SSM with each layer of image features",
                "layer_error": "its standard deviation over bootstraps of the units",
                "layer_explained": "the same over the root of the ceiling",
                "layer_probability": "part of the bootstraps in which the layer is the depth",
            }.items()
        },
        "recovered": Variable(
            ("ladder", "layer", "layer_to"),
            "float64",
            "1",
            "part of noisy recordings made of a layer (row) that are found to be of a layer "
            "(column), with the units and noise of the largest population",
        ),
        **{
            name: Variable(("pair",), "int64", "1", meaning)
            for name, meaning in {
                "first": "population of a pair",
                "second": "the other population",
                "shared_images": "number of conditions that both were shown",
            }.items()
        },
        **{
            f"{name}{ending}": Variable(("pair",), "float64", "1", f"{meaning}{more}")
            for name, meaning in OF_PAIRS.items()
            for ending, more in (
                ("", ""),
                ("_null", ": mean with shuffled images"),
                ("_null_deviation", ": standard deviation with shuffled images"),
            )
        },
        "ssm_relative": Variable(
            ("pair",), "float64", "1", "SSM over the root of the product of the ceilings"
        ),
        "ssm_relative_extrapolated": Variable(
            ("pair",), "float64", "1", "the same with extrapolated ceilings; NaN: < 6 trials"
        ),
    },
)


@dataclass(frozen=True)
class Recorded:
    """A population, and what it was shown.

    Parameters
    ----------
    responses : Population
    stimulus : str
    images : str
        Digest of the images shown; empty: none are known.
    kind : "recording" or "pool"
    group : str
        Area and layer, by which recordings are pooled; empty: not known.
    """

    responses: Population
    stimulus: str
    images: str
    kind: str
    group: str


@step
def comparison_representations(
    *,
    recordings: list[Input],
    out: Output,
    settings: Settings,
    seed: int,
    provenance: Provenance,
) -> None:
    """Compare what populations make of the stimuli that they share.

    Populations are those of recordings, and of all recordings of an area and layer together.

    Parameters
    ----------
    recordings : list of Path
        ``recordings/<session>.zarr``.
    out : Path
        ``comparison/representations.zarr``. Its attribute ``populations`` lists name, stimulus
        and kind of each, ``layers`` the layers of image features, ``ladders`` the stimuli whose
        images are known.
    """
    import numpy as np
    import xarray as xr

    from mesomode.comparison.image_features import LAYERS, feature_ladder

    found: list[Recorded] = []
    shown: dict[tuple[str, str], Callable[[], tuple[np.ndarray, np.ndarray | None]]] = {}
    for path in recordings:
        found += _populations(path, settings, shown)
    found += _pools(found)
    arrays = {name: _nothing(v, found, len(LAYERS)) for name, v in SCHEMA.variables.items()}
    for place, item in enumerate(found):
        trials = item.responses.trials
        arrays["repeats"][place], arrays["images"][place], arrays["units"][place] = trials.shape
        _measure_population(place, item, arrays, settings, seed)
    ladders = []
    for key in sorted({(i.stimulus, i.images) for i in found} & set(shown)):
        members = [k for k, i in enumerate(found) if (i.stimulus, i.images) == key]
        layers = feature_ladder(*shown[key]())
        ladders.append((key[0], _measure_layers(members, found, layers, arrays, settings, seed)))
    arrays["recovered"] = np.array([r for _, r in ladders]).reshape(-1, len(LAYERS), len(LAYERS))
    pairs = [
        (a, b)
        for a, b in combinations(range(len(found)), 2)
        if (found[a].stimulus, found[a].images) == (found[b].stimulus, found[b].images)
        and found[a].kind == found[b].kind
    ]
    arrays |= _measure_pairs(pairs, found, arrays, settings, seed)
    declared = SCHEMA.variables
    dataset = xr.Dataset(
        {n: (declared[n].dims, np.asarray(v, declared[n].dtype)) for n, v in arrays.items()},
        attrs={
            "populations": [
                {"name": i.responses.name, "stimulus": i.stimulus, "kind": i.kind, "group": i.group}
                for i in found
            ],
            "layers": list(LAYERS),
            "ladders": [name for name, _ in ladders],
        },
    )
    write_store(out, dataset, SCHEMA, provenance)
    _tell(dataset)


def _nothing(variable: Variable, found: list[Recorded], layers: int) -> np.ndarray:
    """An array of a variable of populations, not known yet."""
    import numpy as np

    sizes = {"population": len(found), "layer": layers}
    shape = tuple(sizes.get(dim, 0) for dim in variable.dims)
    return np.full(shape, 0 if variable.dtype == "int64" else np.nan)


def _populations(
    path: Path,
    settings: Settings,
    shown: dict[tuple[str, str], Callable[[], tuple[np.ndarray, np.ndarray | None]]],
) -> list[Recorded]:
    """Populations of a recording, one for each stimulus; ways to the images go to ``shown``."""
    import numpy as np

    from mesomode.comparison.populations import population_of
    from mesomode.recordings.trials import MOVIE, cut_trials, has_conditions, responses

    result = []
    name = path.name.removesuffix(".zarr")
    with open_store(path) as store:
        used = store["unit_status"].values == 0
        signal = store[str(store.attrs["signal"])].values[:, used]
        period = float(store.attrs["frame_period_s"])
        taken = store.attrs["mesomode"]["settings"]
        names = store["presentation_stimulus"].attrs["flag_meanings"].split()
        code = store["presentation_stimulus"].values
        columns = [n for n in store.variables if str(n).startswith("presentation_")]
        for stimulus in settings.representation_stimuli:
            rows = code == names.index(stimulus) if stimulus in names else np.zeros(0, bool)
            if not rows.any() or not has_conditions(stimulus):
                continue
            table = {str(n).removeprefix("presentation_"): store[n].values[rows] for n in columns}
            clip = max(1, round(settings.representation_clip_s / period))
            trials = cut_trials(stimulus, table, clip_frames=clip, include_blank=False)
            movie = stimulus.startswith(MOVIE)
            delay, shortest = (
                round(taken.get(key, 0.0) / period)
                for key in ("response_delay_s", "shortest_response_s")
            )
            population = population_of(
                name,
                responses(signal, trials, delay=delay, shortest=0 if movie else shortest),
                trials.condition,
                np.column_stack(list(trials.parameters.values())),
                store["unit"].values[used],
            )
            if population is None:
                logger.info("%s: too few conditions repeat in %s", name, stimulus)
                continue
            digest = str(store.attrs["templates"].get(stimulus, {}).get("sha256", ""))
            if f"template_{stimulus}" in store:
                length = clip if movie else 0
                shown.setdefault((stimulus, digest), _images_of(path, stimulus, population, length))
            result.append(Recorded(population, stimulus, digest, "recording", _group(store)))
    return result


def _images_of(
    path: Path, stimulus: str, population: Population, clip: int
) -> Callable[[], tuple[np.ndarray, np.ndarray | None]]:
    """Read the images of the conditions when they are needed: frames, and the clip of each."""

    def read() -> tuple[np.ndarray, np.ndarray | None]:
        import numpy as np

        number = population.condition[:, 0].astype(int)
        with open_store(path) as store:
            images = store[f"template_{stimulus}"]
            if not clip:
                return images[number].values, None
            # four frames stand for a clip
            offset = np.unique(np.linspace(0, clip - 1, 4).astype(int))
            frames = (number[:, None] * clip + offset).clip(max=images.shape[0] - 1)
            values = images.values[frames.ravel()]
        return values, np.repeat(np.arange(len(number)), len(offset))

    return read


def _group(store: xr.Dataset) -> str:
    """Area, layer and, where they are, inhibition of the cells of a recording."""
    about = store.attrs
    area, depth = about.get("targeted_structure"), about.get("imaging_depth_um")
    if not area or not isinstance(depth, (int, float)):
        return ""
    layer = next((name for deepest, name in LAYERS_BY_DEPTH if depth < deepest), "L6")
    line = str(about.get("cre_line", ""))
    kind = next((f" {name}" for name in INHIBITORY if line.startswith(name)), "")
    return f"{area} {layer}{kind}"


def _pools(found: list[Recorded]) -> list[Recorded]:
    """Recordings of the same area and layer taken together."""
    from mesomode.comparison.populations import in_common, pooled
    from mesomode.comparison.representations import MIN_IMAGES

    groups: dict[tuple[str, str, str], list[Recorded]] = {}
    for item in found:
        if item.group:
            groups.setdefault((item.group, item.stimulus, item.images), []).append(item)
    pools = []
    for (group, stimulus, images), members in groups.items():
        parts = [member.responses for member in members]
        if len(parts) > 1 and len(in_common(parts)[0].condition) >= MIN_IMAGES:
            pools.append(Recorded(pooled(group, parts), stimulus, images, "pool", group))
    return pools


def _measure_population(
    place: int, item: Recorded, arrays: dict[str, Any], settings: Settings, seed: int
) -> None:
    from mesomode.comparison.representation_measures import of_population
    from mesomode.errors import DataError
    from mesomode.seeds import generator

    draw = generator(seed, "comparison", f"ceiling {item.responses.name} {item.stimulus}")
    try:
        measured = of_population(item.responses, generator=draw, splits=settings.shuffles)
    except DataError as error:
        logger.warning("%s, %s: no ceiling: %s", item.responses.name, item.stimulus, error)
        return
    for name, value in measured.items():
        arrays[name][place] = value


def _measure_layers(
    members: list[int],
    found: list[Recorded],
    layers: list[np.ndarray],
    arrays: dict[str, Any],
    settings: Settings,
    seed: int,
) -> np.ndarray:
    """Pseudo-depth of the populations that saw some images; what such populations could tell."""
    import numpy as np

    from mesomode.comparison.representation_measures import of_layers, recovered_layers
    from mesomode.errors import DataError
    from mesomode.seeds import generator

    for place in members:
        item = found[place]
        draw = generator(seed, "comparison", f"layers {item.responses.name} {item.stimulus}")
        try:
            depth = of_layers(
                item.responses, layers, generator=draw, bootstraps=settings.bootstraps
            )
        except DataError as error:
            logger.warning("%s, %s: no pseudo-depth: %s", item.responses.name, item.stimulus, error)
            continue
        arrays["layer_similarity"][place] = depth.similarity
        arrays["layer_error"][place] = depth.standard_error
        arrays["layer_probability"][place] = depth.probability
        ceiling = arrays["ceiling"][place]
        arrays["layer_explained"][place] = depth.similarity / np.sqrt(
            ceiling if ceiling > 0 else np.nan
        )
        arrays["pseudo_depth"][place] = depth.depth
        arrays["pseudo_depth_low"][place], arrays["pseudo_depth_high"][place] = depth.interval()
    largest = max(members, key=lambda place: found[place].responses.trials.shape[2])
    reliability = float(np.clip(np.nan_to_num(arrays["reliability"][largest]), 0.01, 1.0))
    stimulus = found[largest].stimulus
    return recovered_layers(
        layers,
        found[largest].responses.trials.shape[2],
        reliability,
        generator=generator(seed, "comparison", f"recovered layers {stimulus}"),
        draws=settings.shuffles,
    )


def _measure_pairs(
    pairs: list[tuple[int, int]],
    found: list[Recorded],
    arrays: dict[str, Any],
    settings: Settings,
    seed: int,
) -> dict[str, Any]:
    """Similarities of pairs of populations that saw the same."""
    import numpy as np

    from mesomode.comparison.representation_measures import of_pair
    from mesomode.errors import DataError
    from mesomode.seeds import generator

    names = [name for name, variable in SCHEMA.variables.items() if variable.dims == ("pair",)]
    values = {name: np.full(len(pairs), np.nan) for name in names}
    for place, (a, b) in enumerate(pairs):
        one, two = found[a].responses, found[b].responses
        draw = generator(seed, "comparison", f"shuffles {one.name} {two.name} {found[a].stimulus}")
        values["first"][place], values["second"][place] = a, b
        values["shared_images"][place] = 0
        try:
            measured = of_pair(one, two, generator=draw, shuffles=settings.shuffles)
        except DataError as error:
            logger.warning("%s and %s: not compared: %s", one.name, two.name, error)
            continue
        values["shared_images"][place] = measured.pop("images")
        for name, value in measured.items():
            values[name][place] = value
        for name, ceiling in (
            ("ssm_relative", "ceiling"),
            ("ssm_relative_extrapolated", "ceiling_extrapolated"),
        ):
            product = arrays[ceiling][a] * arrays[ceiling][b]
            both = arrays[ceiling][a] > 0 and arrays[ceiling][b] > 0
            values[name][place] = measured["ssm"] / np.sqrt(product) if both else np.nan
    return values


def _tell(dataset: xr.Dataset) -> None:
    populations, layers = dataset.attrs["populations"], dataset.attrs["layers"]
    for place, item in enumerate(populations):
        depth = float(dataset["pseudo_depth"][place])
        logger.info(
            "%s, %s: %d units, %d images, %d trials; ceiling %.2f%s",
            item["name"],
            item["stimulus"].replace("_", " "),
            *(int(dataset[n][place]) for n in ("units", "images", "repeats")),
            float(dataset["ceiling"][place]),
            ""
            if depth != depth
            else f"; most like {layers[int(depth)]}, "
            f"SSM {float(dataset['layer_similarity'][place].max()):.2f}",
        )
    for place in range(dataset.sizes["pair"]):
        one, two = (populations[int(dataset[n][place])] for n in ("first", "second"))
        logger.info(
            "%s and %s, %s: SSM %.2f (shuffled %.2f ± %.2f), of what noise allows %.2f",
            one["name"],
            two["name"],
            one["stimulus"].replace("_", " "),
            *(float(dataset[n][place]) for n in ("ssm", "ssm_null", "ssm_null_deviation")),
            float(dataset["ssm_relative"][place]),
        )
