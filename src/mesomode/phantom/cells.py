"""Cells of the recorded network: where they are, what they are tuned to, what drives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesomode.phantom.connectivity import LEVEL
from mesomode.phantom.region import CENTRE_OF_GAZE, Region
from mesomode.phantom.stimulus import Timetable, on_screen

SCREEN_WIDTH = 129.6
"""Visual angle that the width of the images spans, in degrees."""


@dataclass(frozen=True)
class Cells:
    """Cells and their tuning.

    Parameters
    ----------
    where : Region
        A voxel of the region for each cell.
    direction : float64 array (cell,)
        Preferred direction of drifting gratings, in degrees; the preferred
        orientation is that modulo 180.
    sharpness : float64 array (cell,)
        Concentration of the direction tuning.
    temporal_frequency : float64 array (cell,)
        Preferred, in Hz.
    spatial_frequency : float64 array (cell,)
        Preferred, in cycles per degree.
    phase : float64 array (cell,)
        Preferred phase of a grating, in cycles.
    drive : float64 array (cell,)
        Strength of the input from the screen.
    running : float64 array (cell,)
        Relative increase of that input when the mouse runs fast; may be negative.
    """

    where: Region
    direction: np.ndarray
    sharpness: np.ndarray
    temporal_frequency: np.ndarray
    spatial_frequency: np.ndarray
    phase: np.ndarray
    drive: np.ndarray
    running: np.ndarray

    def __len__(self) -> int:
        return len(self.where)


def draw_cells(where: Region, rng: np.random.Generator) -> Cells:
    """Draw the tuning of cells at given voxels.

    The input from the screen weakens up the hierarchy of areas; a quarter of the
    cells get none and see only what the network tells them.
    """
    count = len(where)
    level = np.array([LEVEL.get(name, 2) for name in where.areas])[where.area]
    drive = rng.gamma(4.0, 0.5, count) * np.exp(-level / 3) * (rng.random(count) > 0.25)
    return Cells(
        where=where,
        direction=rng.uniform(0, 360, count),
        sharpness=rng.gamma(4.0, 0.6, count),
        temporal_frequency=2.0 ** rng.uniform(0, 3.9, count),
        spatial_frequency=0.02 * 2.0 ** rng.uniform(0, 4, count),
        phase=rng.random(count),
        drive=drive,
        running=rng.normal(0.4, 0.5, count),
    )


def screen_input(cells: Cells, timetable: Timetable) -> np.ndarray:
    """Input from the screen to each cell in each frame, before running modulates it.

    Returns
    -------
    float32 array (frame, cell)
        0 for a grey screen; gratings act through direction, frequency and phase
        tuning, images through an oriented receptive field at the cell's place in
        the visual field.
    """
    total = np.zeros((timetable.length, len(cells)), dtype=np.float32)
    for name, stimulus in timetable.stimuli.items():
        shown = on_screen(stimulus, timetable.length)
        when = np.flatnonzero(shown >= 0)
        number = shown[when]
        if name == "drifting_gratings":
            since = when - stimulus.frames[number, 0]
            total[when] = _drifting(cells, stimulus.data, number, since)
        elif name == "static_gratings":
            total[when] = _static(cells, stimulus.data)[number]
        elif stimulus.template is not None:
            total[when] = _images(cells, stimulus.template)[stimulus.data[number]]
    total *= cells.drive.astype(np.float32)
    return total


def _drifting(cells: Cells, data: np.ndarray, number: np.ndarray, since: np.ndarray) -> np.ndarray:
    frequency, direction, blank = data.T
    gap = np.deg2rad(direction[:, None] - cells.direction)
    tuned = np.exp(cells.sharpness * (np.cos(gap) - 1))
    tuned += 0.4 * np.exp(cells.sharpness * (-np.cos(gap) - 1))
    octaves = np.log2(frequency[:, None] / cells.temporal_frequency)
    tuned *= np.exp(-0.5 * (octaves / 1.2) ** 2)
    tuned[blank == 1] = 0.0
    cycles = np.nan_to_num(frequency)[number] * since / 30.0
    ripple = 1 + 0.5 * np.cos(2 * np.pi * (cycles[:, None] + cells.phase))
    return (tuned[number] * ripple).astype(np.float32)


def _static(cells: Cells, data: np.ndarray) -> np.ndarray:
    orientation, frequency, phase = (column[:, None] for column in data.T)
    gap = np.deg2rad(2 * (orientation - cells.direction))
    tuned = np.exp(cells.sharpness * (np.cos(gap) - 1))
    tuned *= np.exp(-0.5 * (np.log2(frequency / cells.spatial_frequency) / 1.2) ** 2)
    tuned *= 1 + 0.6 * np.cos(2 * np.pi * (phase - cells.phase))
    return np.nan_to_num(tuned).astype(np.float32)


def _images(cells: Cells, template: np.ndarray) -> np.ndarray:
    """Rectified response of each cell's receptive field; the last row is the blank (frame −1)."""
    height, width = template.shape[1:]
    degrees = SCREEN_WIDTH / width
    azimuth = CENTRE_OF_GAZE[0] + degrees * (np.arange(width) - (width - 1) / 2)
    altitude = CENTRE_OF_GAZE[1] - degrees * (np.arange(height) - (height - 1) / 2)
    place = cells.where.visual_field()
    x = azimuth - place[:, :1]
    y = altitude - place[:, 1:]
    angle = np.deg2rad(cells.direction)
    # along[cell, row, column] is the distance from the centre across the preferred stripes
    along = (
        np.cos(angle)[:, None, None] * x[:, None, :] + np.sin(angle)[:, None, None] * y[..., None]
    )
    envelope = np.exp(-0.5 * (x[:, None, :] ** 2 + y[..., None] ** 2) / 8.0**2)
    frequency = np.minimum(cells.spatial_frequency, 0.08)[:, None, None]
    field = envelope * np.cos(2 * np.pi * (frequency * along + cells.phase[:, None, None]))
    field -= envelope * (field.sum((1, 2)) / envelope.sum((1, 2)))[:, None, None]
    images = template.reshape(len(template), -1) / 128.0 - 1.0
    response = images @ field.reshape(len(cells), -1).T
    response /= np.maximum(response.std(0), 1e-9)
    blank = np.zeros((1, len(cells)))
    return np.concatenate([np.maximum(response - 0.5, 0), blank]).astype(np.float32)
