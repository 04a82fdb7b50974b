"""Experiments set aside to measure the prediction error: a hold-out, or folds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mesomode.errors import DataError

Integers = npt.NDArray[np.int64]


def split_experiments(
    strata: npt.ArrayLike, fraction: float, generator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Choose test experiments, spread over the strata in proportion to their sizes.

    Parameters
    ----------
    strata : (experiment,)
        Stratum of each experiment: its primary injected region.
    fraction : float
        Wanted fraction of test experiments, between 0 and 1. Their number is
        rounded to the nearest, with at least one in test and in training.
    generator : numpy.random.Generator
        Draws the experiments.

    Returns
    -------
    ndarray of bool, (experiment,)
        True for test. A stratum loses all its experiments to the test only if
        there is no other way.

    Raises
    ------
    DataError
        Fewer than two experiments.
    """
    label, stratum = np.unique(np.asarray(strata), return_inverse=True)
    total = len(stratum)
    if total < 2:
        raise DataError(
            f"{total} experiment cannot be split into training and test",
            remedy="set connectome.holdout_fraction to 0 or loosen the selection of experiments",
        )
    wanted = min(max(1, round(fraction * total)), total - 1)
    # In random order, rank the experiments of each stratum by the share of it already
    # chosen; the last of a stratum comes only after all that leave one behind.
    order = generator.permutation(total)
    tie = generator.permutation(len(label))
    size = np.bincount(stratum)
    rank = np.empty(total)
    for k in range(len(label)):
        members = order[stratum[order] == k]
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
        rank[members[-1]] += 1.0
    chosen = np.lexsort((tie[stratum], -size[stratum], rank))[:wanted]
    test = np.zeros(total, dtype=np.bool_)
    test[chosen] = True
    return test


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
