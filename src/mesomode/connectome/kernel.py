"""The kernel connectome: projections of nearby injections, averaged (Knox et al. 2018)."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from mesomode.connectome.model import (
    Array,
    ConnectomeModel,
    checked_positions,
    checked_regions,
    checked_weight,
    training_data,
)
from mesomode.connectome.scores import sum_groups
from mesomode.errors import DataError
from mesomode.memory import require_memory

BLOCK = 512  # target voxels done at a time


class KernelConnectome(ConnectomeModel):
    """Nadaraya-Watson regression of projections on the centroids of injections.

    The weight of a source voxel s to a target voxel t is the average of the
    projections per unit injection over the experiments e of the same region,

        W_ts = sum_e K(|s - c_e|) Omega_te y_te / sum_e K(|s - c_e|) Omega_te,

    with y_te = Y_te / sum_s X_se and c_e the centroid of the injection. An
    experiment belongs to the region that holds most of its injection. As in
    Knox et al., there is no influence between regions (there: major brain
    divisions), and where no experiment has a positive kernel W is zero, which
    is counted in ``undetermined_``. Beyond Knox et al., projections that were
    not observed are left out of the averages.

    Parameters
    ----------
    bandwidth : float
        h, micrometres.
    shape : {"gaussian", "exponential"} or float
        K(d) = exp(-d^2 / 2 h^2), exp(-d / h), or, for a number p >= 0, the
        polynomial kernel of Knox et al., (1 - (d/h)^2)^p for d < h and zero
        beyond (0: uniform, 1: Epanechnikov).

    Attributes
    ----------
    weights_ : (target, source) float64
        W.
    undetermined_ : float
        Share of the entries of W that no experiment determines; they are zero.
    centroid_ : (experiment, 3) float64
        Of the injections, micrometres.

    References
    ----------
    Knox et al. (2018), Network Neuroscience 3:217.
    """

    weights_: Array

    def __init__(self, bandwidth: float = 500.0, shape: str | float = "gaussian") -> None:
        self.bandwidth = bandwidth
        self.shape = shape

    def fit(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        source_position: npt.ArrayLike,
        source_region: npt.ArrayLike | None = None,
        experiment_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Average the projections.

        Parameters
        ----------
        X, Y, observed
            See :func:`~mesomode.connectome.model.training_data`.
        source_position : (source, 3)
            Micrometres.
        source_region : (source,) of int, optional
            Regions between which there is no influence; one region if not
            given.
        experiment_weight : (experiment,), optional
            Nonnegative; multiplies the kernel of each experiment.

        Raises
        ------
        DataError
            Data that cannot be fitted, or parameters that make no kernel.
        MemoryLimitError
            W does not fit into memory.
        """
        x, y, omega = training_data(X, Y, observed)
        weight = checked_weight(experiment_weight, x.shape[1])
        place = checked_positions(source_position, len(x), "source_position")
        injected = x.sum(axis=0)
        self.centroid_: Array = (x / injected).T @ place
        distance = cdist(place, self.centroid_)
        distance[:, weight == 0] = np.inf
        if source_region is not None:
            _, group = checked_regions(source_region, len(x), "source_region")
            primary = sum_groups(x, group).argmax(axis=0)
            distance[group[:, None] != primary] = np.inf
        if not omega[:, weight > 0].any():
            raise DataError("no projection was observed in an experiment of positive weight")
        kernel = kernel_weights(distance, self.bandwidth, self.shape) * weight
        require_memory(
            8 * len(y) * len(x) + 24 * BLOCK * len(x),
            f"{len(y)} x {len(x)} voxel weights",
            "choose fewer regions or a coarser resolution",
        )
        self.weights_ = np.empty((len(y), len(x)))
        unknown = 0
        for begin in range(0, len(y), BLOCK):
            rows = slice(begin, begin + BLOCK)
            total = omega[rows] @ kernel.T
            known = total > 0
            unknown += known.size - int(known.sum())
            np.matmul(y[rows] / injected, kernel.T, out=self.weights_[rows])
            # Where the total is zero, so is the sum.
            np.divide(self.weights_[rows], total, out=self.weights_[rows], where=known)
        self.undetermined_ = unknown / self.weights_.size
        return self


def kernel_weights(distance: Array, bandwidth: float, shape: str | float) -> Array:
    """Kernel of distances, up to a factor of each row that averages do not depend on.

    Parameters
    ----------
    distance : (source, experiment)
        Micrometres; infinite where an experiment must not count.
    bandwidth, shape
        See :class:`KernelConnectome`.

    Returns
    -------
    ndarray (source, experiment)
        For the Gaussian and the exponential, the nearest experiment of each
        row has 1, so that narrow kernels do not underflow: they tend to the
        nearest neighbour.

    Raises
    ------
    DataError
        The bandwidth is not positive, or there is no such shape.
    """
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise DataError(f"the bandwidth {bandwidth} is not a positive number of micrometres")
    if isinstance(shape, str):
        if shape not in ("gaussian", "exponential"):
            raise DataError(
                f"there is no kernel {shape!r}",
                remedy='choose "gaussian", "exponential" or the exponent of a polynomial kernel',
            )
        scaled = distance / bandwidth
        exponent = 0.5 * scaled**2 if shape == "gaussian" else scaled
        nearest = exponent.min(axis=1, keepdims=True)
        exponent -= np.where(np.isfinite(nearest), nearest, 0.0)
        return np.exp(-exponent)
    if not (np.isfinite(shape) and shape >= 0):
        raise DataError(f"the exponent {shape} of the polynomial kernel is not 0 or more")
    inside = distance < bandwidth
    height = 1.0 - np.where(inside, distance / bandwidth, 0.0) ** 2
    return np.where(inside, height**shape, 0.0)
