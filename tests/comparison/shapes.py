"""Similarities of the shapes that activity visits, which know nothing of its dynamics."""

from __future__ import annotations

import numpy as np


def neighbour_accuracy(distance: np.ndarray, labels: np.ndarray) -> float:
    """Part of the systems whose three nearest neighbours are mostly of their class."""
    own = distance + np.where(np.eye(len(distance)), np.inf, 0)
    nearest = labels[np.argsort(own, axis=1, kind="stable")[:, :3]]
    votes = (nearest[:, :, None] == np.arange(3)).sum(axis=1)
    return float(np.mean(votes.argmax(axis=1) == labels))


def centred(states: np.ndarray) -> np.ndarray:
    flat = states.reshape(-1, states.shape[-1])
    flat = flat - flat.mean(axis=0)
    return flat / np.linalg.norm(flat)


def procrustes(one: np.ndarray, two: np.ndarray) -> float:
    """Angle between shapes after the best rotation."""
    product = np.linalg.svd(centred(one).T @ centred(two), compute_uv=False).sum()
    return float(np.arccos(min(product, 1.0)))


def kernel_alignment(one: np.ndarray, two: np.ndarray) -> float:
    """1 - linear centred kernel alignment."""
    x, y = centred(one), centred(two)
    norm = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(1 - np.linalg.norm(x.T @ y) ** 2 / norm)
