"""Counting."""

import numpy as np


def counts(labels: np.ndarray, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct labels and how often each occurs, none if fewer than ``smallest``."""
    values, number = np.unique(labels, return_counts=True)
    return values, np.where(number < smallest, 0, number)
