"""Dynamical similarity of recordings.

Three recordings are made here (seed 1): A and B are two animals with the same latent dynamics, a
damped rotation of 0.6 Hz, seen through different neurons (60 and 90) and nonlinearities; C rotates
three times as fast, seen through the neurons of A. Each is reduced to six principal components, cut
into trials of 10 s, embedded in windows of 8 frames and fitted with linear dynamics of rank 4. The
angular distance of A and B is compared with that of A and C, and with what noise alone makes of two
halves of one recording (the floor). Left: three neurons of each. Middle: eigenvalues of the fitted
dynamics. Right: all distances; on the diagonal, those between two halves of a recording.

Run ``python workflow/gallery/compare_recordings.py``; it writes
results/gallery/compare_recordings.svg and .png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mesomode.comparison import dynamical_distance, fit_dynamics
from mesomode.comparison.signals import blocks, principal_components
from mesomode.report.style import BLUE, GREEN, GREY, RED, new_figure, save_figure, styled

FRAMES_A_SECOND, SECONDS, DELAYS, RANK = 10.0, 600, 8, 4


def recorded(
    frequency: float, readout: np.ndarray, steepness: float, generator: np.random.Generator
) -> np.ndarray:
    """Traces (time, neuron) of a noisy damped rotation, seen through neurons."""
    angle = 2 * np.pi * frequency / FRAMES_A_SECOND
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frames = int(SECONDS * FRAMES_A_SECOND)
    state, latent = np.zeros(2), np.empty((frames, 2))
    for frame in range(frames):
        state = 0.97 * turn @ state + 0.25 * generator.standard_normal(2)
        latent[frame] = state
    rates = np.tanh(steepness * latent @ readout)
    return rates + 0.3 * generator.standard_normal(rates.shape)


def main(out: Path) -> None:
    """Record, fit, compare, and draw."""
    generator = np.random.default_rng(1)
    neurons = {"A": generator.standard_normal((2, 60)), "B": generator.standard_normal((2, 90))}
    recordings = {
        "A": recorded(0.6, neurons["A"], 0.3, generator),
        "B": recorded(0.6, neurons["B"], 0.6, generator),
        "C": recorded(1.8, neurons["A"], 0.3, generator),
    }
    trials = {
        name: blocks(principal_components(traces, 6), int(10 * FRAMES_A_SECOND))
        for name, traces in recordings.items()
    }
    dynamics = {name: fit_dynamics(of, delays=DELAYS, rank=RANK) for name, of in trials.items()}
    distance = np.empty((3, 3))
    for row, one in enumerate(trials):
        for column, two in enumerate(trials):
            pair = [dynamics[one], dynamics[two]]
            if one == two:  # the floor: every other trial of the same recording, and the others
                halves = trials[one][0::2], trials[one][1::2]
                pair = [fit_dynamics(half, delays=DELAYS, rank=RANK) for half in halves]
            distance[row, column] = dynamical_distance(*pair, metric="angular", seed=1)
    print(
        f"A and B {distance[0, 1]:.3f} rad, A and C {distance[0, 2]:.3f}, "
        f"halves {', '.join(f'{value:.3f}' for value in np.diag(distance))}"
    )
    figure = draw(recordings, dynamics, distance)
    out.parent.mkdir(parents=True, exist_ok=True)
    for ending in (".svg", ".png"):
        save_figure(figure, out.with_suffix(ending), dpi=150)


@styled
def draw(
    recordings: dict[str, np.ndarray], dynamics: dict[str, np.ndarray], distance: np.ndarray
) -> Figure:
    """Traces, eigenvalues and distances."""
    figure = new_figure(11, 3.6)
    traces, plane, matrix = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
    colours = dict(zip(recordings, (BLUE, GREEN, RED), strict=True))
    shown = int(15 * FRAMES_A_SECOND)
    for place, (name, values) in enumerate(recordings.items()):
        for neuron in range(3):
            level = -3.2 * (3 * place + neuron)
            time = np.arange(shown) / FRAMES_A_SECOND
            traces.plot(time, values[:shown, neuron] + level, color=colours[name], lw=0.9)
    centres = [-3.2 * (3 * place + 1) for place in range(3)]
    labels = [f"{name}\n(n = {values.shape[1]})" for name, values in recordings.items()]
    traces.set_yticks(centres, labels)
    traces.set(xlabel="time (s)", title="Three neurons of each recording")
    circle = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    plane.plot(circle.real, circle.imag, color=GREY, lw=0.8)
    for name, marker in zip(dynamics, "osD", strict=True):
        value = np.linalg.eigvals(dynamics[name])
        plane.plot(value.real, value.imag, marker, color=colours[name], mfc="none", label=name)
    plane.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
    plane.set_title("Eigenvalues a frame")
    plane.legend(loc="center left")
    image = matrix.imshow(distance, vmin=0)
    for (row, column), value in np.ndenumerate(distance):
        dark = value < 0.6 * distance.max()
        matrix.text(column, row, f"{value:.3f}", ha="center", va="center",
                    color="white" if dark else "black")  # fmt: skip
    matrix.set_xticks(range(3), list(recordings))
    matrix.set_yticks(range(3), list(recordings))
    matrix.spines[:].set_visible(False)
    matrix.set_title("Distance of dynamics")
    figure.colorbar(image, ax=matrix, label="angle (rad)", shrink=0.8)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path(f"results/gallery/{Path(__file__).stem}.png")
    )
    main(parser.parse_args().out)
