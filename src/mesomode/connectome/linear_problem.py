"""The linear spline regression for all lambda: (P1) without W >= 0, solved by its representer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mesomode.connectome.linear_fit import LinearFit
from mesomode.connectome.model import checked_weight
from mesomode.connectome.objective import Terms, check_data
from mesomode.connectome.representer import Array, ComponentSystem, Mask, response_matrices
from mesomode.connectome.spectral import SpectralBasis
from mesomode.errors import DataError

ROUNDS = 6  # of solving more accurately until the gap is small enough


class LinearProblem:
    """(P1) without W >= 0, for all lambda: |Omega o (W X - Y)|^2 + rho |L_y W + W L_x|^2.

    rho = lambda n_inj / n_x; Harris, Mihalas & Shea-Brown (2016) name the
    solution by the representer theorem as open work. What does not depend on
    lambda (bases, responses of the target modes, their eigenvalues) is
    computed once here and serves the whole lambda path, and, but for the
    eigenvalues, all subsets of the experiments.

    Parameters
    ----------
    injection : (source, experiment)
        X, finite and nonnegative, some in every experiment.
    projection : (target, experiment)
        Y; unobserved entries may hold anything, NaN included.
    observed : (target, experiment) of bool
        Omega.
    source_basis, target_basis : SpectralBasis
        Eigenmodes of -L_x and -L_y; may be the same object.

    Raises
    ------
    DataError
        Data that cannot be fitted, or bases of other grids.
    MemoryLimitError
        More than 1 GB is needed and not there.
    """

    def __init__(
        self,
        injection: npt.ArrayLike,
        projection: npt.ArrayLike,
        observed: npt.ArrayLike,
        source_basis: SpectralBasis,
        target_basis: SpectralBasis,
    ) -> None:
        x = np.ascontiguousarray(injection, dtype=np.float64)
        y = np.asarray(projection, dtype=np.float64)
        omega = np.asarray(observed)
        check_data(x, y, omega)
        for name, count, basis in (
            ("source", len(x), source_basis),
            ("target", len(y), target_basis),
        ):
            if basis.count != count:
                raise DataError(f"a {name} basis of {basis.count} voxels for {count} voxels")
        self.injection = x
        self.projection = np.where(omega, y, 0.0)
        self.observed = omega
        self.source, self.target = source_basis, target_basis
        self.injection_modes = source_basis.to_modes(x)
        self.response = response_matrices(source_basis, target_basis, self.injection_modes)
        self._train(np.ones(x.shape[1], np.bool_))

    def _train(self, training: Mask) -> None:
        self.training = training
        self.count = float(training.sum())  # n_inj
        constants = self.injection_modes[self.source.starts]
        self.systems = [
            ComponentSystem(
                part, self.response[modes], constants, self.observed[part.voxels], training
            )
            for part, modes in zip(self.target.components, self.target.slices(), strict=True)
        ]

    def subset(self, training: npt.ArrayLike) -> LinearProblem:
        """The problem of some of the experiments only, sharing bases and responses.

        Its fits predict all experiments (``LinearFit.fitted``), the others
        included. n_inj in rho is the number of the chosen ones.

        Parameters
        ----------
        training : (experiment,) of bool
            Experiments to fit.

        Raises
        ------
        DataError
            None of them was observed.
        """
        chosen = np.asarray(training, dtype=np.bool_)
        if chosen.shape != self.training.shape or not self.observed[:, chosen].any():
            raise DataError(
                "no projection was observed in the chosen experiments",
                remedy="choose at least one experiment with observed targets",
            )
        part = object.__new__(LinearProblem)
        part.__dict__.update(self.__dict__)
        part._train(chosen)
        return part

    def with_projection(self, projection: npt.ArrayLike) -> LinearProblem:
        """The same problem for other data Y (target, experiment), sharing everything else.

        Unobserved entries may hold anything. What was factored at the last
        lambda is kept, so that many data sets at one lambda cost little.

        Raises
        ------
        DataError
            Another shape, or not finite where observed.
        """
        y = np.asarray(projection, dtype=np.float64)
        check_data(self.injection, y, self.observed)
        part = object.__new__(LinearProblem)
        part.__dict__.update(self.__dict__)
        part.projection = np.where(self.observed, y, 0.0)
        return part

    def weighted(self, weight: npt.ArrayLike, count: float | None = None) -> LinearProblem:
        """The problem with weights on the experiments, sharing bases and responses.

        X and Y become X diag(weight)^(1/2) and Y diag(weight)^(1/2), also for
        ``LinearFit.fitted``; experiments of weight zero are not fitted.

        Parameters
        ----------
        weight : (experiment,)
            Nonnegative; multiplies the squared residuals of each experiment.
        count : float, optional
            n_inj in rho = lambda n_inj / n_x; the number of experiments of
            positive weight if not given. For a bootstrap, the number drawn.

        Raises
        ------
        DataError
            Weights that cannot be used, or leave nothing to fit.
        """
        factor = checked_weight(weight, self.injection.shape[1])
        training = self.training & (factor > 0)
        if not self.observed[:, training].any():
            raise DataError("no experiment with observed targets has a positive weight")
        root = np.sqrt(factor)
        part = object.__new__(LinearProblem)
        part.__dict__.update(self.__dict__)
        part.injection = self.injection * root
        part.projection = self.projection * root
        part.injection_modes = self.injection_modes * root
        part.response = self.response * (root[:, None] * root)
        part._train(training)
        if count is not None:
            part.count = float(count)
        return part

    def weight_of_penalty(self, smoothness: float) -> float:
        """Rho = lambda n_inj / n_x.

        Raises
        ------
        DataError
            lambda is not a positive number (infinity is).
        """
        if not smoothness > 0:
            raise DataError(
                f"the smoothness lambda is {smoothness}",
                why="without a penalty the voxel weights are not determined by the data",
                remedy="choose a positive number; infinity gives weights that are constant on "
                "each pair of connected components",
            )
        return float(smoothness) * self.count / len(self.injection)

    def solve(
        self, smoothness: float, tolerance: float = 1e-8, start: LinearFit | None = None
    ) -> LinearFit:
        """Solve for one lambda.

        Parameters
        ----------
        smoothness : float
            lambda, positive; infinity: W constant on each pair of connected
            components, by least squares.
        tolerance : float
            Relative duality gap to be reached; with up to
            ``representer.DIRECT_LIMIT`` unobserved entries a component the
            solution is direct, and as exact as rounding allows.
        start : LinearFit, optional
            Of the same grids and experiments, such as at a nearby lambda.
        """
        rho = self.weight_of_penalty(smoothness)
        shape = self.projection.shape
        dual, fitted = np.zeros(shape), np.zeros(shape)
        null = np.zeros((len(self.systems), len(self.source.components)))
        misfit = penalty = gap = 0.0
        iterations = 0
        for number, system in enumerate(self.systems):
            voxels, used = system.component.voxels, system.used
            if not len(used):
                continue
            block = np.ix_(voxels, used)
            guess = None if start is None else start.fitted[block]
            part = solve_component(system, rho, self.projection[block], tolerance, guess)
            dual[block], fitted[voxels] = part.dual, part.fitted
            null[number] = part.null
            misfit += part.misfit
            penalty += part.penalty
            gap += part.gap
            iterations = max(iterations, part.iterations)
        return LinearFit(
            problem=self,
            smoothness=float(smoothness),
            dual=dual,
            null_coefficients=null,
            fitted=fitted,
            terms=Terms(misfit + penalty, misfit, penalty),
            relative_gap=_ratio(gap, misfit + penalty),
            gradient_residual=self._gradient_residual(dual, null, fitted),
            converged=_ratio(gap, misfit + penalty) <= tolerance
            or gap <= 1e-20 * float(np.sum(self.projection[:, self.training] ** 2)),
            iterations=iterations,
            unobserved_pairs=self.unobserved_pairs(),
        )

    def path(
        self, smoothness: Sequence[float] | npt.NDArray[np.floating], tolerance: float = 1e-8
    ) -> Iterator[LinearFit]:
        """Solve for several lambda, each starting from the one before."""
        fit: LinearFit | None = None
        for value in smoothness:
            fit = self.solve(float(value), tolerance, fit)
            yield fit

    def unobserved_pairs(self) -> Mask:
        """Pairs of connected components that no observation reaches, (target, source) of bool.

        Their constants are set to 0, and so is all of W there.
        """
        injected = np.add.reduceat(
            self.injection[np.argsort(self.source.labels, kind="stable")],
            np.concatenate([[0], np.cumsum(self.source.sizes)[:-1]]),
        )
        seen = np.zeros((len(self.systems), self.injection.shape[1]))
        for number, system in enumerate(self.systems):
            seen[number, system.used] = 1.0
        return (seen @ injected.T) == 0.0

    def _gradient_residual(self, dual: Array, null: Array, fitted: Array) -> float:
        """|gradient at W| / |gradient at 0|, from matrices of experiments only.

        G / 2 = -r X^T - N_y C N_x^T with r = Omega o (Y - W X) - alpha and
        C = N_y^T alpha X^T N_x, N the normalised constants of the components.
        """
        mask = self.observed & self.training
        r = np.where(mask, self.projection - fitted - dual, 0.0)
        gram = self.injection.T @ self.injection
        constants = self.injection_modes[self.source.starts]

        def coefficients(values: Array) -> Array:
            parts = [system.component for system in self.systems]
            return np.stack([part.eigenvectors[:, 0] @ values[part.voxels] for part in parts])

        c = coefficients(dual) @ constants.T
        square = np.sum((r @ gram) * r) + 2.0 * np.sum((coefficients(r) @ constants.T) * c)
        data = np.where(mask, self.projection, 0.0)
        return _ratio(
            float(np.sqrt(max(0.0, square + np.sum(c * c)))),
            float(np.sqrt(max(0.0, np.sum((data @ gram) * data)))),
        )


@dataclass(frozen=True)
class ComponentSolution:
    """Solution on one target component; see :func:`solve_component`."""

    dual: Array
    fitted: Array
    null: Array
    misfit: float
    penalty: float
    gap: float
    iterations: int


def solve_component(
    system: ComponentSystem,
    rho: float,
    data: Array,
    tolerance: float,
    guess: Array | None = None,
) -> ComponentSolution:
    """Solve for the targets of one connected component.

    Parameters
    ----------
    system : ComponentSystem
        The problem.
    rho : float
        Weight of the penalty.
    data : (voxel of the component, used experiment)
        Y, zero where not observed.
    tolerance : float
        Relative duality gap wanted.
    guess : (voxel of the component, used experiment), optional
        Approximate W X, used at the unobserved entries.
    """
    smoother = system.smoother(rho)
    modes = system.vectors.T @ data
    holes = system.holes.voxel, system.holes.experiment
    f = None if guess is None else guess[holes]
    size = float(np.linalg.norm(data))
    small, iterations = 3e-3 * np.sqrt(tolerance) * size, 0
    best: ComponentSolution | None = None
    for _ in range(ROUNDS):
        f, dual_modes, count = smoother.fill(modes, f, small)
        iterations += count
        filled = data.copy()
        filled[holes] = f
        constant = system.vectors[:, 0]
        null = system.null_coefficients(constant @ filled, dual_modes[0], rho)
        dual = system.feasible(system.mask * (system.vectors @ dual_modes))
        dual_modes = system.vectors.T @ dual
        predicted = system.predicted_modes(dual_modes, null, rho)
        fitted = system.vectors @ predicted
        error = system.mask * (data - fitted[:, system.used])
        seen = system.constants[:, system.used]
        penalty = float(np.sum(dual_modes * predicted[:, system.used]))
        excess = float(null @ (seen @ dual_modes[0]))  # <C, B>, zero up to rounding
        penalty = 0.0 if np.isinf(rho) else max(0.0, penalty - excess)
        misfit = float(np.sum(error**2))
        # f(W) less the dual function at alpha is |Omega o (Y - W X) - alpha|^2 - 2 <C, B>.
        gap = float(np.sum((error - dual) ** 2)) + 2.0 * abs(excess)
        if best is None or gap < best.gap:
            best = ComponentSolution(dual, fitted, null, misfit, penalty, gap, iterations)
        enough = tolerance * (misfit + penalty)
        if gap <= enough or small < 1e-16 * size or not len(f):
            break
        small *= min(0.1, max(0.3 * np.sqrt(enough / gap), 1e-3))  # the gap goes with its square
    assert best is not None
    return best


def _ratio(numerator: float, denominator: float) -> float:
    """A quotient that is 0 for 0 / 0."""
    if denominator > 0.0:
        return numerator / denominator
    return 0.0 if numerator == 0.0 else float("inf")
