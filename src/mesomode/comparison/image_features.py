"""A ladder of image features, from pixels to texture: a model whose layers need no training.

Pixels, edges (rectified Gabor filters, as simple cells), energy (as complex cells; Adelson and
Bergen, J. Opt. Soc. Am. A 2, 284, 1985), pooled energy (normalised as by Heeger, Vis. Neurosci.
9, 181, 1992, and averaged over parts of the image), and texture (averaged over the whole image).
A population that resembles edges most has the pseudo-depth of edges, and so on.
"""

from __future__ import annotations

import numpy as np

LAYERS = ("pixels", "edges", "energy", "pooled", "texture")
ORIENTATIONS = 6
WAVELENGTHS = (4.0, 8.0, 16.0)
"""In pixels of the shrunken image."""
LONGEST_SIDE = 64
"""Images are shrunk to at most that many pixels a side, by averages over blocks."""
PARTS = 4
"""Rows and columns of the grid over which energy is pooled."""


def shrunk(images: np.ndarray) -> np.ndarray:
    """Averages over square blocks, so that the longer side has at most 64 pixels.

    Parameters
    ----------
    images : array (image, row, column)

    Returns
    -------
    float64 array (image, row, column)
        Rows and columns that do not fill a block are left out.
    """
    height, width = images.shape[1:]
    block = -(-max(height, width) // LONGEST_SIDE)
    rows, columns = height // block, width // block
    cut = images[:, : rows * block, : columns * block]
    means = cut.reshape(len(images), rows, block, columns, block).mean(axis=(2, 4))
    return np.asarray(means, dtype=np.float64)


def feature_ladder(images: np.ndarray, group: np.ndarray | None = None) -> list[np.ndarray]:
    """Features of images at each of `LAYERS`.

    Parameters
    ----------
    images : array (frame, row, column)
        Brightness; at least 8 × 8 pixels after shrinking.
    group : int array (frame,), optional
        Number of the clip that a frame belongs to, 0, 1, 2 and so on; the features of a clip are
        the means over its frames. By default each frame is an image by itself.

    Returns
    -------
    list of float64 arrays (image, feature)
    """
    small = shrunk(images)
    small = small - small.mean()
    small /= max(float(small.std()), 1e-300)
    even, odd = _filtered(small)
    energy = np.sqrt(even**2 + odd**2)
    count = len(small)
    places = [slice(None, None, max(1, int(w) // 4)) for w in WAVELENGTHS]
    per = ORIENTATIONS

    def sampled(maps: np.ndarray) -> np.ndarray:
        """Maps of each wavelength at a quarter of it."""
        parts = [
            maps[:, k * per : (k + 1) * per, place, place].reshape(count, -1)
            for k, place in enumerate(places)
        ]
        return np.concatenate(parts, axis=1)

    edges = [sampled(np.maximum(sign * maps, 0)) for maps in (even, odd) for sign in (1, -1)]
    total = energy.sum(axis=1, keepdims=True)
    normalised = energy / (total + total.mean())
    layers = [
        small.reshape(count, -1),
        np.concatenate(edges, axis=1),
        sampled(energy),
        _over_parts(normalised).reshape(count, -1),
        normalised.mean(axis=(2, 3)),
    ]
    if group is None:
        return layers
    return [_group_means(layer, group) for layer in layers]


def _filtered(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Even and odd Gabor filters (image, wavelength · orientation, row, column)."""
    height, width = images.shape[1:]
    y = np.fft.fftfreq(height, 1 / height)[:, None]
    x = np.fft.fftfreq(width, 1 / width)
    spectra = np.fft.rfft2(images)
    even, odd = (
        np.empty((len(images), len(WAVELENGTHS) * ORIENTATIONS, height, width)) for _ in range(2)
    )
    for scale, wavelength in enumerate(WAVELENGTHS):
        envelope = np.exp(-0.5 * (x**2 + y**2) / (0.5 * wavelength) ** 2)
        envelope /= envelope.sum()
        for turn in range(ORIENTATIONS):
            angle = np.pi * turn / ORIENTATIONS
            phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength
            place = scale * ORIENTATIONS + turn
            for maps, wave in ((even, np.cos(phase)), (odd, np.sin(phase))):
                kernel = envelope * wave
                kernel -= envelope * kernel.sum()  # blind to even light
                maps[:, place] = np.fft.irfft2(spectra * np.fft.rfft2(kernel), s=(height, width))
    return even, odd


def _over_parts(maps: np.ndarray) -> np.ndarray:
    """Means over the parts of a grid, (image, filter, part)."""
    edges = [np.linspace(0, size, PARTS + 1).astype(int) for size in maps.shape[2:]]
    rows = np.add.reduceat(maps, edges[0][:-1], axis=2)
    cells = np.add.reduceat(rows, edges[1][:-1], axis=3)
    area = np.outer(np.diff(edges[0]), np.diff(edges[1]))
    return (cells / area).reshape(*maps.shape[:2], -1)


def _group_means(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    counts = np.bincount(group)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, group, values)
    return sums / counts[:, None]
