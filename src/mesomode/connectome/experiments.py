"""Tracer experiments on their grids, and the errors of predictions of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mesomode.connectome.scores import relative_error

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Groups:
    """Regions of the voxels: of the sources, and of the targets by hemisphere.

    Attributes
    ----------
    source, target : (source,) and (target,) of int
        Group of each voxel, numbered from 0.
    table : dict
        Names of dimensions and values of the groups' ids, as an xarray
        Dataset takes them.
    """

    source: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    table: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, grid: Mapping[str, npt.NDArray[Any]]) -> Groups:
        """Groups of the voxels with ``source_region``, ``target_region``, ``target_hemisphere``."""
        source_id, source = np.unique(grid["source_region"], return_inverse=True)
        pairs = np.stack([grid["target_hemisphere"].astype(np.int64), grid["target_region"]])
        target_pair, target = np.unique(pairs, axis=1, return_inverse=True)
        table = {
            "source_group_region": ("source_group", source_id.astype(np.int64)),
            "target_group_region": ("target_group", target_pair[1]),
            "target_group_hemisphere": ("target_group", target_pair[0].astype(np.int8)),
        }
        return cls(source, target.reshape(-1), table)


@dataclass(frozen=True)
class Experiments:
    """X, Y, Omega and what else is known of the experiments.

    Attributes
    ----------
    injection : (source, experiment) float64
        X.
    projection : (target, experiment) float64
        Y; anything where not observed.
    observed : (target, experiment) bool
        Omega.
    primary_region : (experiment,) int64
        Region that holds most of the injection.
    groups : Groups
        Regions of the voxels.
    """

    injection: Array
    projection: Array
    observed: Mask
    primary_region: npt.NDArray[np.int64]
    groups: Groups

    @property
    def count(self) -> int:
        """Number of experiments."""
        return self.injection.shape[1]

    def select(self, chosen: Mask) -> tuple[Array, Array, Mask]:
        """X, Y and Omega of the chosen experiments."""
        return self.injection[:, chosen], self.projection[:, chosen], self.observed[:, chosen]

    def errors(self, prediction: Array) -> dict[str, Any]:
        """Voxel and regional MSE_rel: name -> 0-d variable."""
        part = (prediction, self.projection, self.observed)
        return {
            "voxel_error": ((), relative_error(*part)),
            "regional_error": ((), relative_error(*part, group=self.groups.target)),
        }

    def experiment_errors(self, prediction: Array) -> tuple[str, Array]:
        """MSE_rel of each experiment, as a variable; NaN where nothing was observed."""
        each = relative_error(prediction, self.projection, self.observed, axis=0)
        return "experiment", np.asarray(each)
