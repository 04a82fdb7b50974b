"""Figure of what the experiments say about each source voxel, and why not where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mesomode.report.projection import SECTIONS, Section, mark
from mesomode.report.space import Dorsal, region_index
from mesomode.report.style import (
    INK,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    counted,
    new_figure,
    nothing_to_show,
    number,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr

STATES = {
    "informed": (SKY, "informed"),
    "out_of_reach": (ORANGE, "out of reach of any injection"),
    "targets_unobserved": (PURPLE, "targets not observed"),
    "nothing_injected": (INK, "nothing injected in its part of the grid"),
}
"""Colour and name of what is said of a source voxel."""
CONTRALATERAL = 2


@dataclass(frozen=True)
class Informed:
    """What the data say about each source voxel.

    Parameters
    ----------
    states : tuple of str
        Meanings of the codes.
    state : int array (source,)
        Code of each voxel; 0: informed.
    injections : int array (source,)
        Experiments that injected it.
    distance : float array (source,)
        To the nearest injected voxel, µm; infinite: none.
    reach : float
        Distance over which the smoothing carries, µm.
    variance : float array (source,) or None
        Posterior variance of the weights of the linear model, mean over targets. None, like the
        next two: not computed, as neither the voxel nor the linear model was fitted.
    reduction : float array (source,) or None
        Share of the prior variance that the data remove.
    patterns : float array (source,) or None
        Share of the patterns over targets of which the data say something.
    regional_error : float array (target region, source region) or None
        Bootstrap standard error of the mean weights between regions.
    regional_mean : float array (target region, source region) or None
        Mean of the same over the replicates.
    source_group, target_group : list of str
        Names of the regions.
    replicates : int
    """

    states: tuple[str, ...]
    state: np.ndarray
    injections: np.ndarray
    distance: np.ndarray
    reach: float
    variance: np.ndarray | None = None
    reduction: np.ndarray | None = None
    patterns: np.ndarray | None = None
    regional_error: np.ndarray | None = None
    regional_mean: np.ndarray | None = None
    source_group: tuple[str, ...] = ()
    target_group: tuple[str, ...] = ()
    replicates: int = 0

    @classmethod
    def of(cls, store: xr.Dataset, regions: list[dict[str, Any]]) -> Informed:
        """What a store of the coverage holds."""
        known: dict[str, Any] = {
            field: store[name].values
            for field, name in (
                ("variance", "posterior_variance"),
                ("reduction", "variance_reduction"),
                ("patterns", "informed_patterns"),
            )
            if name in store
        }
        bootstrap: dict[str, Any] = {}
        if "bootstrap_regional_weights" in store and store.sizes["replicate"] > 1:
            drawn = store["bootstrap_regional_weights"].values
            names = {int(record["id"]): str(record["acronym"]) for record in regions}
            sides = store["target_group_hemisphere"].values == CONTRALATERAL
            bootstrap = {
                "regional_error": drawn.std(axis=0, ddof=1),
                "regional_mean": drawn.mean(axis=0),
                "replicates": len(drawn),
                "source_group": tuple(
                    names.get(int(i), str(i)) for i in store["source_group_region"].values
                ),
                "target_group": tuple(
                    names.get(int(i), str(i)) + (" contra" if other else "")
                    for i, other in zip(store["target_group_region"].values, sides, strict=True)
                ),
            }
        return cls(
            states=tuple(store["coverage"].attrs["flag_meanings"].split()),
            state=store["coverage"].values,
            injections=store["injections"].values,
            distance=store["distance_to_injection"].values,
            reach=float(store["reach"]),
            **known,
            **bootstrap,
        )


def commonest(view: Dorsal, state: np.ndarray, count: int) -> np.ndarray:
    """The state that most voxels of a column have, the worse of equals; −1 where there is none.

    Parameters
    ----------
    view : Dorsal
    state : int array (voxel,)
        From 0 to ``count`` − 1, worse to the end.
    count : int

    Returns
    -------
    int array (ap, ml)
    """
    votes = np.zeros((count, *view.shape), dtype=np.int64)
    np.add.at(votes, (np.asarray(state, dtype=np.int64), *view.place), 1)
    winner = count - 1 - votes[::-1].argmax(axis=0)
    return np.where(votes.sum(axis=0) > 0, winner, -1)


@styled
def draw_informed(
    informed: Informed,
    source: int,
    *,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
) -> Figure:
    """Draw which source voxels the data inform, why others not, and how much.

    Parameters
    ----------
    informed : Informed
    source : int
        Number of the voxel through which the sections go.
    source_voxel : int array (source, 3)
    source_region : int array (source,)
    regions : list of dict
    resolution_um : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    known, total = int(np.sum(informed.state == 0)), len(informed.state)
    bootstrapped = informed.regional_error is not None
    figure = new_figure(
        12.5, 12.2 if bootstrapped else 10.6,
        f"The experiments inform {known:,} of {total:,} source voxels, "
        f"{counted(total - known, 'voxel')} not",
    )  # fmt: skip
    parts: Any = figure.subfigures(3, 1, height_ratios=(1, 1.2, 1.1 if bootstrapped else 0.7))
    above, middle, below = parts
    index = region_index(source_region, regions)
    _states(above, informed, source_voxel, index, source, resolution_um)
    _maps(middle, informed, source_voxel, index, resolution_um)
    if bootstrapped:
        left, right = below.subplots(1, 2, width_ratios=(1, 1.15))
        _bootstrap(right, informed)
    else:
        left = below.subplots()
    _distances(left, informed)
    return figure


def _states(
    figure: Any,
    informed: Informed,
    voxel: np.ndarray,
    index: np.ndarray,
    source: int,
    resolution_um: float,
) -> None:
    styles = [STATES.get(name, (RED, name.replace("_", " "))) for name in informed.states]
    colours: dict[str, Any] = {
        "cmap": ListedColormap([colour for colour, _ in styles]),
        "norm": BoundaryNorm(np.arange(len(styles) + 1) - 0.5, len(styles)),
    }
    view = Dorsal(voxel, resolution_um)
    place = voxel[source]
    panels = figure.subplots(1, 4)
    image = commonest(view, informed.state, len(styles)).astype(np.float64)
    view.show(panels[0], np.where(image >= 0, image, np.nan), **colours)
    view.outline(panels[0], view.uppermost(index), colors="white")
    mark(panels[0], *((place[[2, 0]] + 0.5) * view.edge))
    panels[0].set_title("From above, most of a column")
    for axes, name in zip(panels[1:], SECTIONS, strict=True):
        section = Section(voxel, resolution_um, name, int(place[SECTIONS[name][0]]))
        section.show(axes, section.image(informed.state.astype(np.float64)), **colours)
        section.outline(axes, index, colors="white")
        mark(axes, *((place[[section.column, section.row]] + 0.5) * section.edge))
        axes.set_title(section.title)
    counts = np.bincount(informed.state, minlength=len(styles))
    handles = [
        Patch(fc=colour, label=f"{text} ({count:,})")
        for (colour, text), count in zip(styles, counts, strict=True)
    ]
    for axes in panels:
        axes.set_facecolor(PALE)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _maps(
    figure: Any, informed: Informed, voxel: np.ndarray, index: np.ndarray, resolution_um: float
) -> None:
    view = Dorsal(voxel, resolution_um)
    top = view.uppermost(index)
    panels = figure.subplots(1, 4)
    deviation = None if informed.variance is None else np.sqrt(informed.variance)
    largest = 0.0 if deviation is None else float(np.max(deviation, initial=0.0))
    power = int(np.floor(np.log10(largest))) if 0 < largest < np.inf else 0
    figure.suptitle(
        f"Source voxels from above, means over depth (n = {len(voxel):,})",
        x=0.01, ha="left", fontsize=10,
    )  # fmt: skip
    for axes, values, title, label in (
        (panels[0], informed.reduction, "How much is known", "variance reduction"),
        (panels[1], informed.patterns, "Patterns known", "share of the patterns"),
        (panels[2], None if deviation is None else deviation / 10.0**power, "What stays uncertain",
         f"posterior s.d. of a weight ($10^{{{power}}}$)"),
        (panels[3], informed.injections, "Injections", "experiments"),
    ):  # fmt: skip
        if values is None:
            axes.set_title(title)
            nothing_to_show(axes, "needs the voxel\nor the linear model")
            continue
        axes.set_facecolor(PALE)
        shown = view.show(axes, view.mean(values.astype(np.float64)), vmin=0)
        view.outline(axes, top, colors="white")
        axes.set_title(title)
        bar = figure.colorbar(shown, ax=axes, label=label, location="bottom", shrink=0.9)
        bar.locator = MaxNLocator(5)


def _distances(axes: Axes, informed: Informed) -> None:
    reached = np.isfinite(informed.distance)
    if not reached.any():
        nothing_to_show(axes, "nothing was injected")
        return
    kinds = [
        (informed.state == 0, SKY, "informed"),
        (informed.state != 0, ORANGE, "not informed"),
    ]
    largest = float(informed.distance[reached].max())
    edges = np.linspace(0, max(largest, informed.reach if informed.reach < 4 * largest else 0, 1.0),
                        26)  # fmt: skip
    values = [informed.distance[chosen & reached] for chosen, _, _ in kinds]
    axes.hist(
        values, bins=edges.tolist(), stacked=True, color=[colour for _, colour, _ in kinds],
        label=[f"{text} (n = {len(v):,})" for (_, _, text), v in zip(kinds, values, strict=True)],
    )  # fmt: skip
    if informed.reach <= edges[-1]:
        axes.axvline(informed.reach, color=INK, ls="--", lw=1,
                     label=f"reach of the smoothing, {number(informed.reach)} µm")  # fmt: skip
    axes.set_xlabel("distance to the nearest injected voxel (µm)")
    axes.set_ylabel("source voxels")
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    without = int(np.sum(~reached))
    title = f"Distance to the nearest injection (n = {len(reached):,} source voxels)"
    axes.set_title(f"{title}, {without:,} have none" if without else title)
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")


def _bootstrap(axes: Axes, informed: Informed) -> None:
    error, mean = informed.regional_error, informed.regional_mean
    assert error is not None and mean is not None
    shown = axes.imshow(error, aspect="auto", cmap="cividis", vmin=0)
    axes.figure.colorbar(
        shown, ax=axes, label="s.e. of the mean weight (density per injected voxel)"
    )
    if error.size <= 200:
        size = 8 if len(error) <= 6 else 6
        bright = 0.6 * float(np.nanmax(error))
        for row, column in np.ndindex(*error.shape):
            ratio = error[row, column] / abs(mean[row, column]) if mean[row, column] else np.nan
            axes.text(column, row, f"{100 * ratio:.0f}" if np.isfinite(ratio) else "–",
                      ha="center", va="center", fontsize=size,
                      color=INK if error[row, column] > bright else "white")  # fmt: skip
    axes.set_xticks(range(len(informed.source_group)), informed.source_group, rotation=90)
    axes.set_yticks(range(len(informed.target_group)), informed.target_group)
    axes.tick_params(length=0)
    axes.set_xlabel("source region")
    axes.set_ylabel("target region")
    what = ", numbers: % of the mean" if error.size <= 200 else ""
    axes.set_title(f"Bootstrap of {informed.replicates} fits{what}", color=INK)
