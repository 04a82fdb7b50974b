"""Figure of the nested cross-validation: errors of all models in the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mesomode.report.models import model_colour, model_marker, model_name, model_title
from mesomode.report.network import draw_table
from mesomode.report.order import Facts, explanation
from mesomode.report.style import GREY, INK, counted, new_figure, nothing_to_show, number, styled

if TYPE_CHECKING:
    import xarray as xr

PARTS = ("test", "train")
KINDS = ("voxel", "regional")
WIDTH = 150
"""Characters of a line of text below the table."""
PUBLISHED = {
    "voxel": {"test_voxel": 0.33, "train_voxel": 0.10, "test_regional": 0.16,
              "train_regional": 0.023},
    "regional": {"test_voxel": 1.07, "train_voxel": 0.70, "test_regional": 0.48,
                 "train_regional": 0.068},
}  # fmt: skip
"""MSE_rel on the mouse visual system, Table 1 of Harris, Mihalas and Shea-Brown (2016)."""


@dataclass(frozen=True)
class CrossValidated:
    """Errors of one model; MSE_rel is 2|P − Y|²/(|P|² + |Y|²) where observed.

    Parameters
    ----------
    name : str
    error : mapping of str to float array (fold,)
        ``test_voxel``, ``train_voxel``, ``test_regional`` and ``train_regional``.
    summary : mapping of str to (float, float)
        Mean and standard error over the folds of the same.
    inner_error : float array (fold, candidate)
        Mean voxel MSE_rel of the inner test parts; NaN: not computed.
    chosen : int array (fold,)
        Number of the candidate chosen in each fold.
    smoothness, bandwidth, rank : float array (candidate,)
        λ, width in µm and rank of each candidate; NaN where the model has none.
    experiment_error : float array (experiment,)
        Voxel MSE_rel of each experiment in the fold where it was not fitted.
    """

    name: str
    error: dict[str, np.ndarray]
    summary: dict[str, tuple[float, float]]
    inner_error: np.ndarray
    chosen: np.ndarray
    smoothness: np.ndarray
    bandwidth: np.ndarray
    rank: np.ndarray
    experiment_error: np.ndarray

    @classmethod
    def all_of(cls, store: xr.Dataset) -> list[CrossValidated]:
        """The models of a store of the cross-validation."""
        pairs = [f"{part}_{kind}" for part in PARTS for kind in KINDS]
        single = ("inner_test_error", "chosen", "smoothness", "bandwidth", "rank",
                  "experiment_error")  # fmt: skip
        values = {name: store[name].values for name in single}
        errors = {pair: store[f"{pair}_error"].values for pair in pairs}
        summaries = {
            pair: (store[f"{pair}_mean"].values, store[f"{pair}_standard_error"].values)
            for pair in pairs
        }
        return [
            cls(
                name=str(name),
                error={pair: errors[pair][place] for pair in pairs},
                summary={
                    pair: (float(mean[place]), float(spread[place]))
                    for pair, (mean, spread) in summaries.items()
                },
                inner_error=values["inner_test_error"][place],
                **{v: values[v][place] for v in single if v != "inner_test_error"},
            )
            for place, name in enumerate(store.attrs["models"])
        ]

    @property
    def parameter(self) -> str:
        """Along which parameter its curve runs; empty if there was nothing to choose."""
        for name in ("smoothness", "bandwidth"):
            values = getattr(self, name)[np.isfinite(self.inner_error).any(axis=0)]
            if len(np.unique(values[np.isfinite(values)])) > 1:
                return name
        return ""


def per_cent(value: float, error: float = float("nan")) -> str:
    """An error in per cent to one decimal, or to the first digit of its standard error."""
    known = [100 * v for v in (value, error) if np.isfinite(v)]
    least = min((abs(v) for v in known if v), default=1.0)
    decimals = min(max(1, int(np.ceil(-np.log10(least)))), 4)
    texts = [
        f"{100 * v:.{decimals}f}".replace("-", "−") if np.isfinite(v) else number(v)
        for v in (value, error)
    ]
    return texts[0] if np.isnan(error) else " ± ".join(texts)


def verdict(models: Sequence[CrossValidated]) -> str:
    """Whether the voxel model is as far ahead of the regional one as published, in words.

    Compared fold by fold by the voxel MSE_rel of the test parts. "Ahead" means
    by more than two standard errors of the differences, "far" means at most
    half the error, as in the published table.
    """
    known = [m for m in models if np.isfinite(m.summary["test_voxel"][0])]
    ranked = sorted(known, key=lambda m: m.summary["test_voxel"][0])
    order = "On held-out voxels, best first: " + ", ".join(
        f"{model_name(m.name)} {per_cent(m.summary['test_voxel'][0])} %" for m in ranked
    )
    by_name = {m.name: m for m in known}
    if not {"voxel", "regional"} <= by_name.keys():
        return f"{order}."
    voxel, regional = by_name["voxel"], by_name["regional"]
    gains = regional.error["test_voxel"] - voxel.error["test_voxel"]
    gains = gains[np.isfinite(gains)]
    mean = float(np.mean(gains)) if gains.size else float("nan")
    spread = float(np.std(gains, ddof=1)) / np.sqrt(gains.size) if gains.size > 1 else float("nan")
    share = voxel.summary["test_voxel"][0] / regional.summary["test_voxel"][0]
    certain = not abs(mean) <= 2 * spread  # without a standard error the sign decides
    if mean > 0 and certain:
        state = (
            "The expected order: the voxel model is far ahead of the regional one"
            if share <= 0.5
            else "The expected order, but by less than half: the voxel model is ahead of the "
            "regional one"
        )
    elif mean < 0 and certain:
        state = "Not the expected order: the voxel model is behind the regional one"
    else:
        state = "Not the expected order: the voxel and the regional model cannot be told apart"
    published = PUBLISHED["voxel"]["test_voxel"] / PUBLISHED["regional"]["test_voxel"]
    return (
        f"{state} (difference {per_cent(mean, spread)} percentage points over "
        f"{counted(gains.size, 'fold')}; {share:.2f} of its error, published {published:.2f}). "
        f"{order}."
    )


@styled
def draw_cross_validation(
    models: Sequence[CrossValidated],
    facts: Facts | None = None,
    left_out: np.ndarray | None = None,
) -> Figure:
    """Draw errors of all models in the same folds, their curves, experiments and the table.

    Parameters
    ----------
    models : sequence of CrossValidated
        In the order in which they are drawn.
    facts : Facts, optional
        Of the experiments, told below the table.
    left_out : float array (experiment,), optional
        Voxel MSE_rel of each experiment predicted by the linear model from all others.

    Returns
    -------
    matplotlib.figure.Figure
    """
    words = [verdict(models).replace("). ", ").\n"), *explanation(models, facts)]
    lines = [part for text in words for line in text.split("\n") for part in wrap(line, WIDTH)]
    folds = len(models[0].error["test_voxel"])
    curves = [model for model in models if model.parameter]
    experiments = len(models[0].experiment_error)
    figure = new_figure(
        12,
        13.6 + 0.2 * len(lines),
        f"Nested cross-validation: {counted(len(models), 'model')} in the same "
        f"{counted(folds, 'fold')} of {counted(experiments, 'experiment')}",
    )
    parts: Any = figure.subfigures(4, 1, height_ratios=(
        3.6, 3.1, 3.1, 0.6 + 0.31 * len(models) + 0.2 * len(lines)))  # fmt: skip
    above, middle, below, foot = parts
    for axes, kind, what in zip(
        above.subplots(1, 2), KINDS, ("voxels", "sums over regions"), strict=True
    ):
        _errors(axes, models, kind)
        axes.set_title(f"Error on {what} (n = {folds} folds)")
    _curves(middle, curves)
    _experiments(below.subplots(), models, left_out)
    table, text = foot.subplots(2, 1, height_ratios=(1 + 0.4 * len(models), 0.25 * len(lines)))
    _table(table, models)
    text.set_axis_off()
    text.text(0, 1, "\n".join(lines), va="top", fontsize=8.5, transform=text.transAxes,
              in_layout=False)  # fmt: skip
    return figure


def _errors(axes: Axes, models: Sequence[CrossValidated], kind: str) -> None:
    for place, model in enumerate(models):
        colour, marker = model_colour(model.name), model_marker(model.name)
        for part, shift, strong in (("test", -0.16, True), ("train", 0.16, False)):
            values = 100 * model.error[f"{part}_{kind}"]
            spread = np.linspace(-0.05, 0.05, len(values)) if len(values) > 1 else np.zeros(1)
            axes.plot(
                place + shift + spread, values, marker, ms=4.5, color=colour, mec=colour, mew=0.8,
                alpha=0.75 if strong else 0.45, mfc=colour if strong else "white",
            )  # fmt: skip
            mean, error = (100 * v for v in model.summary[f"{part}_{kind}"])
            axes.errorbar(
                place + shift + 0.11, mean, yerr=error if np.isfinite(error) else None, fmt="_",
                ms=9, mew=1.8, color=INK if strong else GREY, elinewidth=1.2,
            )  # fmt: skip
    axes.set_xticks(range(len(models)), [model_name(m.name) for m in models])
    axes.set_xlim(-0.6, len(models) - 0.4)
    axes.set_ylim(0, 1.16 * axes.get_ylim()[1])
    axes.set_ylabel(f"{kind} MSE_rel (%)")
    axes.tick_params(axis="x", length=0)
    handles = [
        Line2D([], [], ls="", marker="o", color=INK, ms=4.5, label="test part of a fold"),
        Line2D([], [], ls="", marker="o", color=GREY, mfc="white", ms=4.5, label="training part"),
        Line2D([], [], ls="", marker="_", color=INK, ms=9, mew=1.8, label="mean ± s.e."),
    ]
    axes.legend(handles=handles, loc="upper left", ncols=3, columnspacing=1, handletextpad=0.2)


def _curves(figure: Any, models: Sequence[CrossValidated]) -> None:
    panels = figure.subplots(1, max(len(models), 1), squeeze=False)[0]
    if not models:
        nothing_to_show(panels[0], "no model had a parameter to choose")
        return
    for axes, model in zip(panels, models, strict=True):
        _curve(axes, model)


def _curve(axes: Axes, model: CrossValidated) -> None:
    """Inner error along the parameter: a line a fold, their mean, and what was chosen."""
    values, colour = getattr(model, model.parameter), model_colour(model.name)
    computed = np.isfinite(model.inner_error).any(axis=0)
    ranks = np.unique(model.rank[computed & np.isfinite(model.rank)])
    for line, rank in enumerate(ranks if len(ranks) > 1 else [np.nan]):
        of = computed & (model.rank == rank if np.isfinite(rank) else True)
        order = np.flatnonzero(of)[np.argsort(values[of], kind="stable")]
        errors = 100 * model.inner_error[:, order]
        if len(ranks) <= 1:
            axes.plot(values[order], errors.T, "-", lw=0.7, alpha=0.45, color=colour)
        known = np.isfinite(errors)
        mean = np.where(known, errors, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        axes.plot(
            values[order], mean, ls=("-", "--", "-.", ":")[line % 4], lw=2.2, color=colour,
            label=f"rank {rank:g}" if np.isfinite(rank) else "mean of the folds",
        )  # fmt: skip
    folds = np.arange(len(model.chosen))
    axes.plot(
        values[model.chosen], 100 * model.inner_error[folds, model.chosen],
        model_marker(model.name), ms=7, mfc="white", mec=INK, mew=1.1, zorder=4,
        label=f"chosen (n = {len(folds)} folds)",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel({"smoothness": "λ", "bandwidth": "bandwidth (µm)"}[model.parameter])
    axes.set_ylabel("inner voxel MSE_rel (%)")
    axes.set_title(f"{model_title(model.name)} model")
    if model.parameter == "bandwidth":
        shown = np.unique(values[computed])
        axes.set_xticks(shown, [f"{v:g}" for v in shown], rotation=45)
        axes.set_xticks([], minor=True)
    lowest, highest = axes.get_ylim()
    axes.set_ylim(lowest, highest + 0.35 * (highest - lowest))
    axes.legend(loc="upper center")


def _experiments(axes: Axes, models: Sequence[CrossValidated], left_out: np.ndarray | None) -> None:
    first = models[0]
    order = np.argsort(first.experiment_error, kind="stable")
    place = np.arange(len(order))
    for position in place:
        axes.axvline(float(position), color=GREY, lw=0.3, alpha=0.5, zorder=0)
    for model in models:
        axes.plot(
            place, 100 * model.experiment_error[order], model_marker(model.name), ms=5.5,
            color=model_colour(model.name), mec="white", mew=0.5, label=model_name(model.name),
        )  # fmt: skip
    if left_out is not None:
        axes.plot(
            place, 100 * left_out[order], model_marker("linear"), ms=7.5, mfc="none",
            mec=model_colour("linear"), mew=0.9, label=f"{model_name('linear')}, from all others",
        )  # fmt: skip
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.set_xlim(-0.8, len(order) - 0.2)
    axes.set_xlabel(f"experiment, by error of the {model_name(first.name)} model")
    axes.set_ylabel("voxel MSE_rel (%)")
    axes.set_title(f"Each experiment, predicted from the others (n = {len(order)})")
    axes.legend(loc="upper left", ncols=len(models) + 1, columnspacing=1,
                handletextpad=0.2)  # fmt: skip


def _table(axes: Axes, models: Sequence[CrossValidated]) -> None:
    header = ["MSE_rel in %", *(f"{kind}, {part}" for kind in KINDS for part in PARTS)]
    rows = [
        [
            model_name(model.name),
            *(per_cent(*model.summary[f"{part}_{kind}"]) for kind in KINDS for part in PARTS),
        ]
        for model in models
    ]
    colours = [model_colour(model.name) for model in models]
    for model in models:
        if model.name in PUBLISHED:
            values = PUBLISHED[model.name]
            rows.append(
                [
                    f"{model_name(model.name)}, published for mouse visual cortex",
                    *(f"{100 * values[f'{p}_{kind}']:.3g}" for kind in KINDS for p in PARTS),
                ]
            )
            colours.append(GREY)
    draw_table(axes, header, rows, first=0.34, colours=colours)
