"""Image features: what each layer is blind to."""

import numpy as np
import pytest

from mesomode.comparison.image_features import LAYERS, ORIENTATIONS, feature_ladder, shrunk


def grating(turn: float, phase: float, wavelength: float = 8.0, contrast: float = 60.0):
    """An image of 32 × 32 pixels that wraps around."""
    y, x = np.mgrid[:32, :32]
    angle = np.pi * turn / ORIENTATIONS
    along = x * np.cos(angle) + y * np.sin(angle)
    return 128 + contrast * np.cos(2 * np.pi * (along / wavelength + phase))


def change(layer: np.ndarray) -> float:
    """Distance of the second from the first image, as a part of their size."""
    return float(np.linalg.norm(layer[1] - layer[0]) / np.linalg.norm(layer[0]))


def test_energy_is_blind_to_phase_and_edges_are_not():
    layers = feature_ladder(np.stack([grating(0, 0.0), grating(0, 0.25)]))
    changes = dict(zip(LAYERS, map(change, layers), strict=True))
    assert changes["energy"] < 0.02 < 0.5 < changes["edges"]
    assert changes["pixels"] > 1


def test_texture_is_blind_to_place_and_pooled_energy_is_not():
    image = grating(0, 0.0)
    image[:, 16:] = 128.0
    moved = np.roll(image, 16, axis=1)
    layers = feature_ladder(np.stack([image, moved]))
    changes = dict(zip(LAYERS, map(change, layers), strict=True))
    assert changes["texture"] < 1e-9 < 0.3 < changes["pooled"]


@pytest.mark.parametrize("turn", range(0, ORIENTATIONS, 2))
def test_texture_tells_the_orientation(turn):
    texture = feature_ladder(np.stack([grating(turn, 0.0), grating(turn + 1, 0.3)]))[-1]
    scale = texture[0].reshape(-1, ORIENTATIONS)
    best = scale.sum(axis=0).argmax()
    assert best == turn


def test_features_of_a_clip_are_the_mean_over_its_frames():
    frames = np.stack([grating(k, 0.1 * k) for k in range(4)])
    single = feature_ladder(frames)
    clips = feature_ladder(frames, np.array([0, 0, 1, 1]))
    for one, two in zip(single, clips, strict=True):
        np.testing.assert_allclose(two, one.reshape(2, 2, -1).mean(axis=1))


def test_large_images_are_averaged_over_blocks():
    images = np.zeros((2, 304, 608), np.uint8)
    images[1, :10, :10] = 100
    small = shrunk(images)
    assert small.shape == (2, 30, 60)
    assert small[1, 0, 0] == 100 and small[1].sum() == 100
