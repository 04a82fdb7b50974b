"""The homogeneous regional connectome (Oh et al. 2014): weights constant on pairs of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from mesomode.connectome.model import (
    ConnectomeModel,
    Mask,
    checked_regions,
    not_fitted,
    prediction_input,
    training_data,
)
from mesomode.connectome.nonnegative import nonnegative_solution
from mesomode.connectome.objective import Array, check_data
from mesomode.connectome.scores import sum_groups
from mesomode.errors import DataError


class RegionalConnectome(ConnectomeModel):
    """The homogeneous model: W constant on pairs of regions, by nonnegative least squares.

    Attributes
    ----------
    regional_weights_ : (target region, source region) float64
        Weight per voxel: the W of any two voxels of these regions. Zero where
        ``undetermined_``.
    source_region_id_, target_region_id_ : (source region,) and (target region,) of int
        Ids of the regions of ``regional_weights_``, ascending.
    undetermined_ : (target region, source region) of bool
        No experiment was both injected into the source region and observed
        in the target region. (An injection that covers a whole region, all of
        it unobserved, says nothing about that region's weight to itself.)
    weights_ : (target, source) float64
        W, formed anew whenever it is asked for.

    References
    ----------
    Oh et al. (2014), Nature 508:207; Harris, Mihalas & Shea-Brown (2016).
    """

    regional_weights_: Array

    def fit(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        source_region: npt.ArrayLike,
        target_region: npt.ArrayLike,
        experiment_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit the weights of all pairs of regions.

        Parameters
        ----------
        X, Y, observed, experiment_weight
            See :func:`~mesomode.connectome.model.training_data`.
        source_region, target_region : (source,) and (target,) of int
            Region of each voxel; targets of the two hemispheres need ids of
            their own.

        Raises
        ------
        DataError
            Data that cannot be fitted.
        """
        data = training_data(X, Y, observed, experiment_weight)
        self.source_region_id_, self._source = checked_regions(
            source_region, len(data.injection), "source_region"
        )
        self.target_region_id_, self._target = checked_regions(
            target_region, len(data.projection), "target_region"
        )
        injected = sum_groups(data.injection, self._source) > 0
        seen = sum_groups(data.observed.astype(np.float64), self._target) > 0
        self.undetermined_: Mask = ~(seen @ injected.T)
        self.regional_weights_ = fit_regional(*data, self._source, self._target)
        return self

    @property
    def weights_(self) -> Array:
        """W (target, source)."""
        self._check_fitted()
        return self.regional_weights_[np.ix_(self._target, self._source)]

    def predict(self, X: npt.ArrayLike) -> Array:
        """Projection densities of injections, without forming W; see the base class."""
        self._check_fitted()
        x = prediction_input(X, len(self._source))
        regional = self.regional_weights_ @ sum_groups(x.T, self._source)
        return regional[self._target].T

    def _check_fitted(self) -> None:
        if not hasattr(self, "regional_weights_"):
            raise not_fitted(self)


def fit_regional(
    injection: npt.ArrayLike,
    projection: npt.ArrayLike,
    observed: npt.ArrayLike,
    source_group: npt.ArrayLike,
    target_group: npt.ArrayLike,
) -> Array:
    """Nonnegative least squares with one weight for each pair of groups of voxels.

    Minimises |Omega o (W X - Y)|^2 over W >= 0 that are constant on (target
    group, source group). The rows of different target groups separate, and
    the voxels of a group enter through their count and mean only, so each is
    a small problem that is solved exactly (Lawson & Hanson).

    Parameters
    ----------
    injection : (source, experiment)
        X.
    projection : (target, experiment)
        Y; anything where not observed.
    observed : (target, experiment) of bool
        Omega.
    source_group, target_group : (source,) and (target,) of int
        Group of each voxel, numbered from 0 (regions; for targets, regions
        of either hemisphere).

    Returns
    -------
    ndarray (target group, source group)
        Weights per voxel: the W of any two voxels of these groups. Zero where
        no experiment was injected into the source group or observed in the
        target group. With fewer experiments than injected source groups the
        minimiser is not unique; one with few nonzero weights is returned.

    Raises
    ------
    DataError
        Data that cannot be fitted.
    SolverError
        The active set method did not end.
    """
    x = np.asarray(injection, dtype=np.float64)
    omega = np.asarray(observed)
    raw = np.asarray(projection, dtype=np.float64)
    check_data(x, raw, omega)
    y = np.where(omega, raw, 0.0)
    sources, targets = np.asarray(source_group), np.asarray(target_group)
    if sources.shape != x.shape[:1] or targets.shape != y.shape[:1]:
        raise DataError(
            f"groups of {sources.shape} sources and {targets.shape} targets for "
            f"{x.shape[0]} and {y.shape[0]} voxels"
        )
    injected = sum_groups(x, sources)
    count = sum_groups(omega.astype(np.float64), targets)
    right = sum_groups(y, targets) @ injected.T
    gram = injected @ injected.T
    weights = np.zeros((len(count), len(injected)))
    for group, times in enumerate(count):
        # An experiment counts as often as it was observed in this group; most of them alike.
        values, frequency = np.unique(times, return_counts=True)
        usual = values[frequency.argmax()]
        other = injected[:, times != usual]
        system = usual * gram + (times[times != usual] - usual) * other @ other.T
        weights[group] = nonnegative_solution(system, right[group])
    return weights


def injection_by_structure(
    primary: Sequence[str],
    secondary: Sequence[Sequence[str]],
    structures: Sequence[str],
    primary_share: float,
) -> tuple[Array, tuple[str, ...]]:
    """X of experiments of which only the names of the injected structures are known.

    Parameters
    ----------
    primary : sequence of str (experiment,)
        Acronym of the structure that was injected in the first place.
    secondary : sequence of sequences of str (experiment,)
        Acronyms of further structures in the injection site.
    structures : sequence of str (structure,)
        Acronyms of the sources.
    primary_share : float
        Share of the injection that is assigned to the primary structure, in
        (0, 1]; the secondary structures get equal shares of the rest. All is
        assigned to the primary structure where there are no others.

    Returns
    -------
    injection : ndarray (experiment, structure)
        Shares of the injection; rows add up to one.
    unknown : tuple of str
        Secondary acronyms that are neither a structure, nor a part of one,
        nor made up of some; they were left out.

    Raises
    ------
    DataError
        A primary structure is unknown, or the share is not in (0, 1].

    Notes
    -----
    In the Allen acronyms, a part has the acronym of the whole followed by a
    lower-case letter, a digit or a hyphen (BLAa is a part of BLA, which is a
    structure of its own; AUD is made up of AUDd, AUDp, AUDpo and AUDv, which
    get equal shares).
    """
    if not 0.0 < primary_share <= 1.0:
        raise DataError(f"the primary share {primary_share} is not in (0, 1]")
    names = [name.strip() for name in structures]

    def places(acronym: str) -> list[int]:
        label = acronym.strip()
        if label in names:
            return [names.index(label)]
        parts = [i for i, name in enumerate(names) if _is_part(name, label)]
        wholes = [name for name in names if _is_part(label, name)]
        return parts or ([names.index(max(wholes, key=len))] if wholes else [])

    injection = np.zeros((len(primary), len(names)))
    unknown: set[str] = set()
    for row, (first, others) in enumerate(zip(primary, secondary, strict=True)):
        unknown.update(label for label in others if not places(label))
        rest = [found for label in others if (found := places(label))]
        main = places(first)
        if not main:
            raise DataError(f"experiment {row}: the primary structure {first!r} is unknown")
        shares = [
            primary_share if rest else 1.0,
            *[(1.0 - primary_share) / max(len(rest), 1)] * len(rest),
        ]
        for share, found in zip(shares, [main, *rest], strict=True):
            injection[row, found] += share / len(found)
    return injection, tuple(sorted(unknown))


def _is_part(part: str, whole: str) -> bool:
    """Whether an acronym is that of a part, by its spelling."""
    rest = part[len(whole) :]
    return bool(rest) and part.startswith(whole) and not rest[0].isupper()
