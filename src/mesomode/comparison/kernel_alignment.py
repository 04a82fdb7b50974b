"""Centred kernel alignment (CKA) with a linear kernel.

Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019. With K
and L the inner products of the images' responses in the two populations, centred over images,

    CKA = ⟨K, L⟩ / (‖K‖ ‖L‖).

It is unchanged by orthogonal maps of the units and by one scale for all, not by other linear
maps. With fewer images than units even unrelated populations are aligned; the debiased form
(Song et al., JMLR 13, 1393, 2012; Nguyen, Raghu and Kornblith, ICLR 2021) is zero for them in
the mean.
"""

from __future__ import annotations

import numpy as np

from mesomode.comparison.representations import as_pair, centred_and_scaled


def linear_alignment(one: np.ndarray, two: np.ndarray, debiased: bool = False) -> float:
    """Linear centred kernel alignment of two representations of the same images.

    Parameters
    ----------
    one, two : float array (image, unit)
        The same images in the same order; the numbers of units may differ.
    debiased : bool
        Whether inner products of images with themselves are left out (see `unbiased_product`).

    Returns
    -------
    float
        0 … 1; debiased: at most 1, below zero by chance, NaN if the estimate of either
        population's own ‖K‖² is not positive.

    Raises
    ------
    DataError
        The images do not match, or a population responds to all of them alike.
    """
    first, second = (centred_and_scaled(values) for values in as_pair(one, two))
    if debiased:
        kernels = [values @ values.T for values in (first, second)]
        cross = unbiased_product(kernels[0], kernels[1])
        own = [unbiased_product(kernel, kernel) for kernel in kernels]
        if min(own) <= 1e-14:  # the kernels have norm one at most, so that this is rounding
            return float("nan")
        return cross / float(np.sqrt(own[0] * own[1]))
    images, widest = len(first), max(first.shape[1], second.shape[1])
    if widest > images:
        kernels = [values @ values.T for values in (first, second)]
        cross = float(np.sum(kernels[0] * kernels[1]))
        norms = [float(np.linalg.norm(kernel)) for kernel in kernels]
    else:  # the same by ⟨K, L⟩ = ‖XᵀY‖²
        cross = float(np.sum((first.T @ second) ** 2))
        norms = [float(np.linalg.norm(values.T @ values)) for values in (first, second)]
    return float(np.clip(cross / (norms[0] * norms[1]), 0, 1))


def unbiased_product(one: np.ndarray, two: np.ndarray) -> float:
    """Unbiased estimate of the inner product of two centred kernels (Song et al., eq. 5).

    Parameters
    ----------
    one, two : float array (image, image)
        Symmetric kernels of at least four images, centred or not.

    Returns
    -------
    float
        [Σ K∘L + ΣK ΣL / ((M−1)(M−2)) − 2 Σ K L / (M−2)] / (M (M−3)), the diagonals being left
        out.
    """
    images = len(one)
    first, second = (kernel - np.diag(np.diag(kernel)) for kernel in (one, two))
    total = np.sum(first * second)
    total += first.sum() * second.sum() / ((images - 1) * (images - 2))
    total -= 2 * np.sum(first.sum(axis=0) * second.sum(axis=0)) / (images - 2)
    return float(total / (images * (images - 3)))
