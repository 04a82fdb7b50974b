"""Putting the outer folds of the cross-validation together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

PARAMETERS = ("smoothness", "rank", "bandwidth")
ERRORS = tuple(f"{part}_{kind}" for part in ("test", "train") for kind in ("voxel", "regional"))


def collect(stores: Mapping[str, Sequence[xr.Dataset]]) -> xr.Dataset:
    """Put the folds of all models together.

    Parameters
    ----------
    stores : mapping
        Model -> its folds in order, as the step ``connectome_fold`` writes
        them.

    Returns
    -------
    xarray.Dataset
        Dimensions model, fold, candidate, experiment, target; parameters and
        inner errors are NaN beyond a model's last candidate.
    """
    models = list(stores)
    first = stores[models[0]]
    outer = np.full(first[0].sizes["experiment"], -1)
    for number, fold in enumerate(first):
        outer[fold["test"].values] = number
    most = max(folds[0].sizes["candidate"] for folds in stores.values())
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "experiment": (("experiment",), first[0]["experiment"].values),
        "experiment_fold": (("experiment",), outer),
        "chosen": (("model", "fold"), _each(stores, "chosen")),
    }
    for name in ERRORS:
        errors = _each(stores, f"{name}_error")
        statistics = np.array([mean_and_standard_error(row) for row in errors])
        variables[f"{name}_error"] = (("model", "fold"), errors)
        variables[f"{name}_mean"] = (("model",), statistics[:, 0])
        variables[f"{name}_standard_error"] = (("model",), statistics[:, 1])
    inner = np.full((len(models), len(first), most), np.nan)
    parameters = {name: np.full((len(models), most), np.nan) for name in PARAMETERS}
    out_of_fold: dict[str, np.ndarray] = {}
    for name, dims in (("experiment_error", ()), ("prediction", (first[0].sizes["target"],))):
        out_of_fold[name] = np.full((len(models), *dims, len(outer)), np.nan)
    for i, model in enumerate(models):
        for number, fold in enumerate(stores[model]):
            count = fold.sizes["candidate"]
            if fold.sizes["inner_fold"]:
                inner[i, number, :count] = fold["inner_test_error"].values.mean(axis=1)
            test = fold["test"].values
            for name, values in out_of_fold.items():
                values[i][..., test] = fold[name].values[..., test]
        for name, values in parameters.items():
            if name in fold:
                values[i, :count] = fold[name].values
    variables["inner_test_error"] = (("model", "fold", "candidate"), inner)
    variables |= {name: (("model", "candidate"), values) for name, values in parameters.items()}
    variables["experiment_error"] = (("model", "experiment"), out_of_fold["experiment_error"])
    variables["prediction"] = (
        ("model", "target", "experiment"),
        out_of_fold["prediction"].astype(np.float32),
    )
    return xr.Dataset(variables, attrs={"models": models})


def rows(dataset: xr.Dataset) -> list[list[str]]:
    """Table of the errors, a row for each model, with a header.

    Errors are means over the folds in per cent, with their standard errors.
    """
    header = ["model"]
    for name in ERRORS:
        title = name.replace("_", " ")
        header += [f"{title} MSE_rel %", f"{title} standard error %"]
    table = [[*header, "chosen"]]
    for i, model in enumerate(dataset.attrs["models"]):
        one = dataset.isel(model=i)
        row = [model]
        for name in ERRORS:
            for statistic in ("mean", "standard_error"):
                row.append(f"{100 * float(one[f'{name}_{statistic}']):.2f}")
        picks = []
        for candidate in one["chosen"].values:
            values = {name: float(one[name][candidate]) for name in PARAMETERS}
            known = [f"{name} {value:g}" for name, value in values.items() if not np.isnan(value)]
            picks.append(" ".join(known))
        table.append([*row, "; ".join(picks) if any(picks) else ""])
    return table


def mean_and_standard_error(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Mean and its standard error over the folds in which an error is defined (not NaN).

    NaN if there is none; the standard error of a single one is NaN.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return (float(known[0]) if len(known) else np.nan), np.nan
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))


def _each(stores: Mapping[str, Sequence[xr.Dataset]], name: str) -> np.ndarray:
    return np.array([[fold[name].values for fold in folds] for folds in stores.values()])
