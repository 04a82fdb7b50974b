"""Table of networks beside each recording: which is closest, and is the difference real."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mesomode.network.names import variant_name
from mesomode.report.style import number
from mesomode.report.summary import STYLE

if TYPE_CHECKING:
    import xarray as xr

Row = dict[str, Any]


def closest_rows(similarity: xr.Dataset, comparison: xr.Dataset) -> list[Row]:
    """Every pair of a recording and a network, nearest first; a row each.

    Parameters
    ----------
    similarity : xarray.Dataset
        ``comparison/similarity.zarr``.
    comparison : xarray.Dataset
        ``comparison.zarr``.

    Returns
    -------
    list of dict
        Name of the column → text or number; NaN: not known. ``floor`` is the larger of the
        distances between the halves of the recording and between those of the network;
        ``told apart`` whether the distance exceeds it; ``ranked`` whether the network is further
        than the closest by more than the floor.
    """
    systems = similarity.attrs["systems"]
    recordings = [s["name"] for s in systems if s["kind"] == "recording"]
    networks = [s["name"] for s in systems if s["kind"] == "network"]
    compared = [(s["kind"], s["name"]) for s in comparison.attrs["systems"]]
    dimension = comparison["participation_ratio_common"].values
    rows: list[Row] = []
    for place, recording in enumerate(recordings):
        distance = similarity["to_network"].values[place]
        for column in np.argsort(distance, kind="stable"):
            floor = max(
                float(similarity["floor"][place]), float(similarity["network_floor"][column])
            )
            further = float(distance[column] - distance.min())
            closest = further == 0
            a, b = (
                compared.index(key)
                for key in (("recording", recording), ("network", networks[column]))
            )
            rows.append(
                {
                    "recording": recording,
                    "network": networks[column],
                    "closest": "yes" if closest else "no",
                    "distance": float(distance[column]),
                    "further than the closest": further,
                    "floor": floor,
                    "told apart": _said(float(distance[column]) > floor),
                    "ranked": "" if closest else _said(further > floor),
                    "between halves": float(similarity["floor"][place]),
                    "to other animals": float(similarity["animal_floor"][place]),
                    "phases randomised": float(similarity["to_surrogate"][place, 0]),
                    "frames shuffled": float(similarity["to_surrogate"][place, 1]),
                    "dimension of the recording": float(dimension[a]),
                    "dimension of the network": float(dimension[b]),
                    "shape difference": float(
                        comparison["shape_difference"][
                            [n for k, n in compared if k == "recording"].index(recording),
                            [n for k, n in compared if k == "network"].index(networks[column]),
                        ]
                    ),
                }
            )
    return rows


def _said(true: bool) -> str:
    return "yes" if true else "no"


def conclusions(rows: Sequence[Row]) -> list[str]:
    """What the table says of each recording, in words."""
    lines = []
    for recording in dict.fromkeys(row["recording"] for row in rows):
        own = [row for row in rows if row["recording"] == recording]
        closest = own[0]
        equal = [variant_name(row["network"]) for row in own[1:] if row["ranked"] == "no"]
        text = f"{recording}: {variant_name(closest['network'])} is closest"
        text += (
            ", and further than noise explains"
            if closest["told apart"] == "yes"
            else ", no further than halves of the same data are"
        )
        text += (
            f"; not told from it by more than the floor: {', '.join(equal)}"
            if equal
            else "; all others are further by more than the floor" * (len(own) > 1)
        )
        lines.append(text)
    return lines


NOTE = """
Distance of the dynamics of each network to those of each recording, nearest first. Floor: the
larger of the distances between two halves of the recording and of the network's trials; a network
is <em>told apart</em> from the recording where its distance exceeds the floor, and is
<em>ranked</em> behind the closest where it is further than that by more than the floor. To other
animals: the median distance to recordings of other animals, which a perfect model of one brain
would have to another. Dimensions are those of as many units as the smallest system has; shape
difference: root mean square difference of the autocorrelations against lag in half widths.
"""


def closest_html(rows: Sequence[Row], metric: str) -> str:
    """The table as a page of its own, without anything from outside.

    Parameters
    ----------
    rows : sequence of dict
        As from `closest_rows`; none: it says so.
    metric : str
        Name of the distance.
    """
    body = []
    for row in rows:
        cells = []
        for name, value in row.items():
            text = number(value, 3) if isinstance(value, float) else value
            text = "" if isinstance(value, float) and math.isnan(value) else text
            text = variant_name(text) if name == "network" else text
            tag = "th" if name in ("recording", "network") else "td"
            cells.append(f"<{tag}>{html.escape(text)}</{tag}>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    names = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0]) if rows else ""
    said = "".join(f"<li>{html.escape(line)}.</li>" for line in conclusions(rows))
    if not rows:
        said = "<li>Recordings and networks are both needed for a comparison.</li>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Closest networks</title><style>{STYLE}</style></head><body>"
        f"<h1>Closest networks</h1><p>Distance: {html.escape(metric)}.</p><ul>{said}</ul>"
        f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        f"<p>{NOTE}</p></body></html>\n"
    )
