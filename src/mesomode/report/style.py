"""One look for all figures: fonts, colours, files."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

if "MPLCONFIGDIR" not in os.environ:
    # matplotlib would keep its list of fonts in the user's home folder
    os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="mesomode-matplotlib-")
    atexit.register(shutil.rmtree, os.environ["MPLCONFIGDIR"], ignore_errors=True)

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
"""Colours that people with any colour vision can tell apart (Okabe & Ito 2008)."""
PALETTE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
MUTED = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#DDCC77", "#CC6677", "#882255", "#AA4499",
    "#999933", "#777777",
)  # fmt: skip
"""The same for up to ten categories (after Tol 2021)."""
INK, GREY, PALE = "#222222", "#767676", "#d9d9d9"
SEQUENTIAL = "viridis"
PLACES = 9
"""Decimals of places in a figure, as shares of its size."""
STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "errorbar.capsize": 3,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.facecolor": "white",
    "figure.titlesize": 12,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.facecolor": "white",
    "svg.hashsalt": "mesomode",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8,
}

Draw = TypeVar("Draw", bound=Callable[..., Any])


def styled(draw: Draw) -> Draw:
    """Give a drawing function the style of the report, whatever the user's own settings."""

    @functools.wraps(draw)
    def drawn(*arguments: Any, **named: Any) -> Any:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return draw(*arguments, **named)

    return drawn  # type: ignore[return-value]


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Make an empty figure.

    Parameters
    ----------
    width, height : float
        Inches.
    title : str
        Short; what is seen.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def save_figure(figure: Figure, path: Path, *, dpi: int, svg_text: str = "paths") -> None:
    """Write a figure; equal figures give equal bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
        Its suffix says the format, ``.png`` or ``.svg``.
    dpi : int
        Pixels an inch, also of what is drawn as pixels within an SVG.
    svg_text : {"paths", "editable"}
        How an SVG holds letters.
    """
    vector = path.suffix == ".svg"
    metadata = {"Date": None, "Creator": "mesomode"} if vector else {"Software": "mesomode"}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        matplotlib.rcParams["svg.fonttype"] = "path" if svg_text == "paths" else "none"
        settle(figure, dpi)
        figure.savefig(path, dpi=dpi, metadata=metadata)


def settle(figure: Figure, dpi: int) -> None:
    """Lay a figure out for good, free of the last digits.

    The solver of the layout orders its equations by memory address, so that
    places differ in the sixteenth digit from one drawing to the next, and with
    them the names of things in an SVG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    dpi : int
        Pixels an inch, for the size of letters.
    """
    figure.set_dpi(dpi)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    parts: list[Any] = list(figure.subfigs)
    while parts:
        part = parts.pop()
        parts += part.subfigs
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(PLACES))
    for axes in figure.axes:
        place = axes.get_position(original=True)
        axes.set_position(Bbox(place.get_points().round(PLACES)), which="original")


def region_colour(region: dict[str, Any]) -> tuple[float, float, float]:
    """The atlas's colour of a region, darkened where it would vanish on white."""
    red, green, blue = (value / 255 for value in region["rgb"])
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    shade = min(1.0, 0.75 / max(luminance, 1e-9))
    return red * shade, green * shade, blue * shade


def region_colours(regions: list[dict[str, Any]]) -> list[tuple[float, float, float]]:
    """Colours of regions, the atlas's own where they can be told apart.

    The atlas paints all areas of a system alike; where two of the regions have
    nearly the same colour, all take colours that can be told apart instead.
    """
    own = [region_colour(region) for region in regions]
    distances = [np.abs(np.subtract(a, b)).max() for i, a in enumerate(own) for b in own[:i]]
    if not distances or min(distances) > 0.08:
        return own
    if len(regions) <= len(MUTED):
        return [to_rgb(colour) for colour in MUTED[: len(regions)]]
    return [to_rgb(c) for c in matplotlib.colormaps["turbo"](np.linspace(0, 1, len(regions)))]


def hues(count: int) -> list[str]:
    """So many different colours, dark enough to be read as text."""
    spread = matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, count))
    return [to_hex((0.8 * red, 0.8 * green, 0.8 * blue)) for red, green, blue, _ in spread]


def darker(colour: str) -> tuple[float, float, float]:
    """A darker shade of a colour."""
    red, green, blue = to_rgb(colour)
    return 0.5 * red, 0.5 * green, 0.5 * blue


def nothing_to_show(axes: Axes, why: str) -> None:
    """Say in a panel why it is empty."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set_axis_off()


def number(value: float, digits: int = 3) -> str:
    """A number as text with so many significant digits; an en dash for NaN."""
    if not np.isfinite(value):
        return "–" if np.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.{digits}g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−")


def counted(number_of: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def with_error(value: float, error: float, digits: int = 3) -> str:
    """A number with its standard error as text; without one if it is NaN."""
    text = number(value, digits)
    return text if not np.isfinite(error) else f"{text} ± {number(error, 2)}"
