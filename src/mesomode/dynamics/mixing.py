"""Anderson mixing of fixed-point iterations.

Source: Anderson, J. ACM 12, 547 (1965).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class AndersonMixing:
    """Proposals for a fixed point from the latest iterations and their changes.

    Parameters
    ----------
    memory : int
        Number of earlier iterations that are combined.
    damping : float
        Share of a change that is taken.
    """

    def __init__(self, memory: int = 6, damping: float = 0.5) -> None:
        self._memory = memory
        self._damping = damping
        self._values: list[NDArray[np.float64]] = []
        self._changes: list[NDArray[np.float64]] = []

    def propose(
        self, values: NDArray[np.float64], change: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Next values, from the present ones and the change that the map makes to them."""
        self._values = [*self._values[-self._memory :], values]
        self._changes = [*self._changes[-self._memory :], change]
        proposal = self.step(values, change)
        if len(self._values) > 1:
            by_change = np.diff(self._changes, axis=0).T
            by_values = np.diff(self._values, axis=0).T
            shares = np.linalg.lstsq(by_change, change, rcond=1e-10)[0]
            proposal = proposal - (by_values + self._damping * by_change) @ shares
        return proposal

    def step(self, values: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Next values without regard to earlier ones."""
        return values + self._damping * change

    def forget(self) -> None:
        """Start anew."""
        self._values, self._changes = [], []
