"""Folds of the experiments, to measure the prediction error."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mesomode.errors import DataError

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Folds:
    """Nested folds of the experiments.

    Attributes
    ----------
    outer : (experiment,) int64
        Outer fold in which each experiment is tested.
    inner : (outer fold, experiment) int64
        Inner fold in which each experiment validates; -1 for the experiments
        that are tested in this outer fold.
    """

    outer: Integers
    inner: Integers

    def within(self, fold: int) -> Integers:
        """Inner folds of an outer fold, (experiment,).

        Raises
        ------
        DataError
            There is no such outer fold.
        """
        if not 0 <= fold < len(self.inner):
            raise DataError(f"there is no outer fold {fold}: there are {len(self.inner)}, from 0")
        row: Integers = self.inner[fold]
        return row


def assign_folds(strata: npt.ArrayLike, folds: int, generator: np.random.Generator) -> Integers:
    """Deal the experiments to folds, spread over the strata.

    Parameters
    ----------
    strata : (experiment,)
        Stratum of each experiment: its primary injected region.
    folds : int
        At least 1 and at most the number of experiments.
    generator : numpy.random.Generator
        Draws them.

    Returns
    -------
    ndarray of int64 (experiment,)
        Fold of each experiment, from 0. The sizes of the folds differ by at
        most one, and so do the numbers of experiments of any one stratum.

    Raises
    ------
    DataError
        Fewer experiments than folds.
    """
    label, stratum = np.unique(np.asarray(strata), return_inverse=True)
    total = len(stratum)
    if not 1 <= folds <= total:
        raise DataError(
            f"{total} experiments cannot be dealt to {folds} folds",
            why="each fold needs an experiment to test",
            remedy="use fewer folds or loosen the selection of experiments",
        )
    # Stratum by stratum like cards, both in random order.
    place = generator.permutation(len(label))[stratum]
    order = np.lexsort((generator.permutation(total), place))
    fold = np.empty(total, dtype=np.int64)
    fold[order] = np.resize(generator.permutation(folds), total)
    return fold


def nested_folds(
    strata: npt.ArrayLike, outer: int, inner: int, generator: np.random.Generator
) -> Folds:
    """Draw outer folds, and inner folds of the training experiments of each.

    Parameters
    ----------
    strata : (experiment,)
        See :func:`assign_folds`.
    outer, inner : int
        Wanted numbers of folds, 2 or more. Where there are fewer experiments
        there are as many folds as experiments (leave one out), with a
        warning.
    generator : numpy.random.Generator
        Draws them.

    Raises
    ------
    DataError
        Fewer than two folds, or fewer than three experiments (one to test,
        one to validate, one to fit).
    """
    stratum = np.asarray(strata)
    total = len(stratum)
    if min(outer, inner) < 2:
        raise DataError(f"{outer} x {inner} folds: two or more are needed")
    if total < 3:
        raise DataError(
            f"{total} experiments are too few for nested cross-validation",
            why="one to test, one to validate and one to fit are needed",
        )
    first = assign_folds(stratum, min(outer, total), generator)
    sizes = np.bincount(first)
    fewest = total - int(sizes.max())
    if outer > total or inner > fewest:
        warnings.warn(
            f"{total} experiments are too few for {outer} x {inner} folds: "
            f"{len(sizes)} x {min(inner, fewest)} are used",
            stacklevel=2,
        )
    second = np.full((len(sizes), total), -1, dtype=np.int64)
    for fold in range(len(sizes)):
        train = first != fold
        second[fold, train] = assign_folds(stratum[train], min(inner, fewest), generator)
    return Folds(first, second)
