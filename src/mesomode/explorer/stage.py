"""The stage ``explorer``: stores → data that the page loads piece by piece, and the folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

COVERAGE = (
    "injections",
    "distance_to_injection",
    "observed_fraction",
    "posterior_variance",
    "variance_reduction",
    "informed_patterns",
)
"""What is known about every source voxel, shown on the maps."""
EXPERIMENT_BITS = 16
TOLERANCE = 1e-5
"""Largest error of factors or a profile, relative to the largest weight."""
RANK = 64
"""Largest rank that is looked for in a matrix of which none is known."""


@step
def explorer_model(*, connectome: Input, atlas: Input, out: Output, seed: int) -> None:
    """Cut a connectome into pieces of which one click loads one.

    Models of low rank are sent as factors, the distance model as its profile, if these reproduce
    the stored weights; others as tiles of whole columns and of whole rows, rounded to codes.

    Parameters
    ----------
    connectome : Path
        ``connectome/<model>.zarr`` or ``connectome/truth.zarr``.
    atlas : Path
        ``atlas.zarr``.
    out : Path
        Folder of the scripts.
    """
    import numpy as np

    from mesomode.explorer.folders import whole_folder
    from mesomode.explorer.quantising import bound
    from mesomode.explorer.tiles import bits_of, tiles_of, vectors_per_tile
    from mesomode.seeds import generator

    name = out.name
    with open_store(atlas) as grid:
        source, target = grid["source_position"].values, grid["target_position"].values
        identity = _identity(grid)
    with open_store(connectome) as store:
        weights = store["weights"].values
        known = {n: store[n].values for n in ("target_factor", "source_factor") if n in store}
        known |= {n: store[n].values for n in ("distance", "profile") if n in store}
        facts = {n: v.item() for n, v in store.data_vars.items() if v.dims == ()}
        attributes = {
            n: v for n, v in store.attrs.items() if isinstance(v, int | float | str) and n != "name"
        }
        meaning = str(store["weights"].attrs["long_name"])
        regional = store["regional_weights"].values if name != "truth" else None
        if name == "truth":
            regional = store["true_regional_weights"].values
    description: dict[str, Any] = {
        "model": name,
        "meaning": meaning,
        "grid": identity,
        "facts": facts,
        "attributes": attributes,
        "largest": float(np.abs(weights).max()),
        "signed": bool(weights.min() < 0),
        "shape": list(weights.shape),
    }
    arrays: dict[str, np.ndarray] = {"regional": np.asarray(regional, np.float64)}
    arrays["norm"] = np.linalg.norm(weights, axis=0).astype(np.float32)
    position = target, source
    description |= _compact(weights, known, position, arrays, generator(seed, "explorer", name))
    with whole_folder(out) as folder:
        if "kind" not in description:
            bits = bits_of(weights.size)
            description |= {"kind": "tiles", "bits": bits, "error": bound(bits), "per_tile": {}}
            for direction, matrix in (("from", weights.T), ("to", weights)):
                description["per_tile"][direction] = vectors_per_tile(matrix.shape[1], bits)
                for number, tile in tiles_of(matrix, bits):
                    piece = {"model": name, "grid": identity, "items": matrix.shape[1]}
                    _write(folder, f"models/{name}/{direction}-{number}", piece, tile)
        _write(folder, f"models/{name}/model", description, arrays)
        size = sum(file.stat().st_size for file in folder.iterdir())
        logger.info(
            "%s: %s, %d files, %.1f MB; values are exact to %.1e of the largest%s",
            name,
            description["kind"],
            len(list(folder.iterdir())),
            size / 1e6,
            description["error"],
            " of each voxel" if description["kind"] == "tiles" else "",
        )


def _compact(
    weights: np.ndarray,
    known: dict[str, np.ndarray],
    position: tuple[np.ndarray, np.ndarray],
    arrays: dict[str, np.ndarray],
    draw: np.random.Generator,
) -> dict[str, Any]:
    """Put a profile or factors among the arrays if they reproduce the weights, and say which."""
    import numpy as np

    from mesomode.explorer.factors import factor_error, low_rank_factors
    from mesomode.explorer.profile import profile_error

    if "profile" in known:
        error = profile_error(weights, *position, known["distance"], known["profile"])
        if error <= TOLERANCE:
            arrays |= {n: known[n].astype(np.float64) for n in ("distance", "profile")}
            return {"kind": "profile", "error": error}
    factors = None
    if "target_factor" in known:
        factors = known["target_factor"], known["source_factor"]
    if factors is None or factor_error(weights, *factors) > TOLERANCE:
        rank = min(RANK, min(weights.shape) // 8)
        factors = low_rank_factors(weights, rank, draw, TOLERANCE) if rank else None
    if factors is None:
        return {}
    arrays |= {"target_factor": factors[0], "source_factor": factors[1]}
    error = factor_error(weights, *factors)
    return {"kind": "factors", "error": error, "rank": factors[0].shape[1]}


@step
def explorer_tracing(
    *,
    atlas: Input,
    tracing: Input,
    coverage: Input | None = None,
    validation: Input | None = None,
    truth: Input | None = None,
    flatmap: Input | None = None,
    models: list[Input],
    out: Output,
) -> None:
    """Put the voxels, what the data say about them, and every experiment into scripts.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr``, ``tracing.zarr``.
    coverage : Path
        ``connectome/coverage.zarr``.
    validation : Path
        ``connectome/cross_validation.zarr``.
    truth : Path
        ``connectome/truth.zarr``.
    flatmap : Path
        Cortical coordinates of the Allen Institute, see the key report.flatmap.
    models : list of Path
        ``connectome/<model>.zarr``.
    out : Path
        Folder of the scripts.
    """
    import numpy as np

    from mesomode.explorer.folders import whole_folder

    with open_store(atlas) as grid, open_store(tracing) as data:
        identity = _identity(grid)
        description: dict[str, Any] = {
            "grid": identity,
            "resolution_um": int(grid.attrs["resolution_um"]),
            "regions": grid.attrs["regions"],
            "shape": list(grid["annotation"].shape),
            "experiments": _experiments(data),
            "selection": data.attrs["selection"],
            "source": {n: str(grid.attrs.get(f"data_{n}", "")) for n in _ORIGIN},
        }
        arrays: dict[str, np.ndarray] = {
            "source_voxel": grid["source_voxel"].values.astype(np.int32),
            "target_voxel": grid["target_voxel"].values.astype(np.int32),
            "source_region": _region_index(grid["source_region"].values, grid.attrs["regions"]),
            "target_region": _region_index(grid["target_region"].values, grid.attrs["regions"]),
            "target_side": grid["target_hemisphere"].values.astype(np.uint8),
        }
        injection = data["injection_density"].values.astype(np.float64)
        projection = data["projection_density"].values
        observed = data["observed"].values
    if coverage is not None:
        _add_coverage(coverage, description, arrays)
    predictions: dict[str, np.ndarray] = {}
    errors: dict[str, list[float]] = {}
    for path in models:
        with open_store(path) as store:
            name = str(store.attrs["model"])
            predictions[name] = store["weights"].values.astype(np.float64) @ injection
            errors[name] = store["experiment_error"].values.tolist()
    description["errors"] = errors
    held_out = _held_out(validation, description)
    if truth is not None:
        with open_store(truth) as store:
            names = store.attrs["models"]
            description["truth"] = {
                q: dict(zip(names, store[q].values.tolist(), strict=True))
                for q in ("relative_error", "correlation", "mean_squared_error", "regional_error")
            }
    if flatmap is not None:
        _add_flatmap(flatmap, tuple(description["shape"]), arrays)
    with whole_folder(out) as folder:
        _write(folder, "tracing/grid", description, arrays)
        for number, record in enumerate(description["experiments"]):
            seen = observed[:, number]
            vectors = {"projection": np.where(seen, projection[:, number], 0.0)}
            vectors |= {f"fit {n}": p[:, number] for n, p in predictions.items()}
            vectors |= {f"held out {n}": p[:, number] for n, p in held_out.items()}
            piece, packed = _vectors(vectors)
            packed["injection"] = injection[:, number].astype(np.float32)
            packed["observed"] = seen.astype(np.uint8)
            piece |= {"grid": identity, "id": record["id"]}
            _write(folder, f"tracing/experiment-{record['id']}", piece, packed)


@step
def explorer(
    *, page: Input, tracing: Input | None = None, models: list[Input], networks: Input,
    index: Output,
) -> None:  # fmt: skip
    """Put the page beside its data: the folder that opens from disk.

    Parameters
    ----------
    page : Path
        Folder of the built page.
    tracing : Path
        Folder ``data/tracing``; none where the connectome is one's own.
    models : list of Path
        Folders ``data/models/<model>``.
    networks : Path
        Folder ``data/networks``.
    index : Path
        ``explorer/index.html``, written last.

    Raises
    ------
    DataError
        The data lie elsewhere than below the page.
    """
    from mesomode.errors import DataError
    from mesomode.explorer.building import BUILT
    from mesomode.files import atomic_file

    root = index.parent
    for folder in [*filter(None, [tracing]), *models, networks]:
        if root / "data" not in folder.parents:
            raise DataError(
                "the data of the explorer have to lie below its page",
                where=folder,
                remedy=f"write them to {root / 'data'}",
            )
    files = [f for p in [*filter(None, [tracing]), *models, networks] for f in p.glob("*.js")]
    size = sum(file.stat().st_size for file in files)
    manifest = {
        "run": root.parent.name,
        "tracing": tracing is not None,
        "models": [path.name for path in models],
        "bytes": size,
        "files": len(files),
    }
    with atomic_file(root / "data" / "run.js") as temporary:
        temporary.write_text(_script("run", manifest, {}))
    for name in [n for n in BUILT if n != "index.html"] + ["index.html"]:
        with atomic_file(root / name) as temporary:
            temporary.write_bytes((page / name).read_bytes())
    logger.info("%s: %d data files, %.1f MB; open it in a browser", index, len(files), size / 1e6)


_ORIGIN = ("source", "citation", "terms")


def _script(key: str, description: Any, arrays: Any) -> str:
    from mesomode.explorer.container import pack, script

    return script(key, pack(description, arrays))


def _write(folder: Path, key: str, description: Any, arrays: Any) -> None:
    """Write one script; its key is its place below ``data``."""
    (folder / f"{key.rpartition('/')[2]}.js").write_text(_script(key, description, arrays))


def _identity(grid: xr.Dataset) -> str:
    """What the pieces of one run have in common: the voxels they are about."""
    import hashlib

    digests = grid.attrs["mesomode"]["digests"]
    return hashlib.sha256((digests["source_voxel"] + digests["target_voxel"]).encode()).hexdigest()[
        :12
    ]


def _region_index(region: np.ndarray, regions: list[dict[str, Any]]) -> np.ndarray:
    import numpy as np

    ids = np.array([record["id"] for record in regions])
    return np.argmax(region[:, None] == ids, axis=1).astype(np.int32)


def _experiments(data: xr.Dataset) -> list[dict[str, Any]]:
    columns = {
        name: data[name].values.tolist()
        for name in ("primary_region", "injection_volume", "fraction_inside", "flipped")
    }
    columns["centroid"] = data["injection_centroid"].values.tolist()
    columns["observed"] = data["observed"].values.mean(axis=0).tolist()
    columns["voxels"] = (data["injection_density"].values > 0).sum(axis=0).tolist()
    ids = data["experiment"].values.tolist()
    return [{"id": i, **{n: c[k] for n, c in columns.items()}} for k, i in enumerate(ids)]


def _add_coverage(path: Path, description: dict[str, Any], arrays: dict[str, Any]) -> None:
    import numpy as np

    with open_store(path) as store:
        known = [name for name in COVERAGE if name in store]
        description["coverage"] = {
            "classes": store["coverage"].attrs["flag_meanings"].split(),
            "reach": float(store["reach"]),
            "quantities": {
                n: {"meaning": store[n].attrs["long_name"], "unit": store[n].attrs["units"]}
                for n in known
            },
        }
        arrays["coverage"] = store["coverage"].values.astype(np.uint8)
        arrays |= {name: store[name].values.astype(np.float32) for name in known}
        if "bootstrap_regional_weights" in store:
            drawn = store["bootstrap_regional_weights"].values
            description["coverage"]["replicates"] = len(drawn)
            arrays["bootstrap_low"], arrays["bootstrap_high"] = np.quantile(
                drawn, [0.025, 0.975], axis=0
            )
        for name in ("source_group_region", "target_group_region"):
            arrays[name] = _region_index(store[name].values, description["regions"])
        arrays["target_group_side"] = store["target_group_hemisphere"].values.astype(np.uint8)


def _held_out(path: Path | None, description: dict[str, Any]) -> dict[str, np.ndarray]:
    """Out-of-fold predictions (target, experiment) by model; the errors go into the description."""
    if path is None:
        return {}
    with open_store(path) as store:
        names = [str(name) for name in store.attrs["models"]]
        quantities = [
            f"test_{kind}_{what}"
            for kind in ("voxel", "regional")
            for what in ("mean", "standard_error")
        ]
        description["validation"] = {
            "folds": store.sizes["fold"],
            "scores": {
                q: dict(zip(names, store[q].values.tolist(), strict=True)) for q in quantities
            },
            "errors": dict(zip(names, store["experiment_error"].values.tolist(), strict=True)),
        }
        return dict(zip(names, store["prediction"].values, strict=True))


def _vectors(vectors: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Vectors of one length as codes."""
    import numpy as np

    from mesomode.explorer.quantising import arrange, bound, quantise

    codes, step_size, zero = quantise(np.stack(list(vectors.values())), EXPERIMENT_BITS)
    description = {
        "names": list(vectors),
        "bits": EXPERIMENT_BITS,
        "items": codes.shape[1],
        "error": bound(EXPERIMENT_BITS),
    }
    return description, {"codes": arrange(codes), "step": step_size, "zero": zero}


def _add_flatmap(path: Path, shape: tuple[int, ...], arrays: dict[str, Any]) -> None:
    import h5py

    from mesomode.errors import DataError
    from mesomode.explorer.flatmap import flatmap_pixels

    with h5py.File(path, "r") as file:
        if not {"view lookup", "paths"} <= file.keys():
            raise DataError(
                "the flatmap has no view lookup or no paths",
                where=path,
                remedy="give report.flatmap a file of cortical coordinates, "
                "dorsal_flatmap_paths_100.h5 or top_view_paths_100.h5",
            )
        lookup, paths = file["view lookup"][:], file["paths"][:]
    arrays |= flatmap_pixels(lookup, paths, shape, arrays["target_voxel"])
