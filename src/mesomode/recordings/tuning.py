"""Which units respond differently to different conditions."""

from __future__ import annotations

import numpy as np

from mesomode.recordings.trials import averages


def one_way_anova(
    response: np.ndarray, condition: np.ndarray, conditions: int
) -> tuple[np.ndarray, np.ndarray]:
    """One-way analysis of variance over conditions, for all units at once.

    Parameters
    ----------
    response : float array (trial, unit)
        NaN: not measured, left out.
    condition : int array (trial,)
        Condition of each trial, 0 … ``conditions`` − 1.
    conditions : int
        Number of conditions.

    Returns
    -------
    statistic, p_value : float64 arrays (unit,)
        F and its probability if all conditions had the same mean. NaN for units that never
        change, with fewer than two conditions measured, or no trial to spare.
    """
    from scipy.special import fdtrc

    mean, deviation, count = averages(response, condition, conditions)
    groups = (count > 0).sum(axis=0)
    trials = count.sum(axis=0)
    between_freedom = (groups - 1).astype(np.float64)
    within_freedom = (trials - groups).astype(np.float64)
    mean = np.where(count > 0, mean, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        grand = (count * mean).sum(axis=0) / trials
        between = (count * (mean - grand) ** 2).sum(axis=0)
        within = np.where(count > 1, (count - 1) * deviation**2, 0.0).sum(axis=0)
        statistic = (between / between_freedom) / (within / within_freedom)
        rounding = 1e-24 * trials * grand**2
    usable = (between_freedom > 0) & (within_freedom > 0) & (between + within > rounding)
    statistic = np.where(usable, statistic, np.nan)
    with np.errstate(invalid="ignore"):
        p_value = np.where(
            np.isinf(statistic), 0.0, fdtrc(between_freedom, within_freedom, statistic)
        )
    return statistic, np.where(usable, p_value, np.nan)


def tuned_fraction(p_value: np.ndarray, significance: float) -> float:
    """Fraction of the tested units with a p-value below ``significance``; NaN if none was."""
    tested = np.isfinite(p_value)
    return float(np.mean(p_value[tested] < significance)) if tested.any() else float("nan")
