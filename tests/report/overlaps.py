"""Texts of a figure that lie on each other, or reach out of it."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """What is written in a drawn figure and where, in pixels.

    Tick labels outside the limits of their axis are not drawn and are left out.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shown = []
    hidden = set()
    for axes in figure.axes:
        if not axes.get_visible() or not axes.axison:
            hidden |= {id(t) for axis in (axes.xaxis, axes.yaxis) for t in axis.findobj(Text)}
        for axis in (axes.xaxis, axes.yaxis):
            drawn = {id(label) for label in axis.get_ticklabels(which="both")}
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                outside = not low - slack <= tick.get_loc() <= high + slack
                for label in (tick.label1, tick.label2):
                    if outside or id(label) not in drawn:
                        hidden.add(id(label))
    for text in figure.findobj(Text):
        if id(text) in hidden or not text.get_visible() or not text.get_text().strip():
            continue
        shown.append((text.get_text(), text.get_window_extent(renderer)))
    return shown


def overlapping(figure: Figure, slack: float = 1.0) -> list[str]:
    """Pairs of texts that overlap by more than ``slack`` points both ways, and texts cut off."""
    pixels = slack * figure.dpi / 72
    texts = texts_of(figure)
    found = []
    for (one, box), (two, other) in combinations(texts, 2):
        common = Bbox.intersection(box, other)
        if common is not None and min(common.width, common.height) > pixels:
            found.append(f"{one!r} lies on {two!r}")
    edge = figure.bbox
    for one, box in texts:
        if (
            box.x0 < edge.x0 - pixels
            or box.y0 < edge.y0 - pixels
            or box.x1 > edge.x1 + pixels
            or box.y1 > edge.y1 + pixels
        ):
            found.append(f"{one!r} reaches out of the figure")
    return found
