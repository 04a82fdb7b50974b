"""Figure of one two-photon session."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mesomode.report.session import (
    Session,
    binned,
    broken_at_gaps,
    most_variable,
    stimulus_colours,
)
from mesomode.report.style import (
    BLUE,
    GREY,
    INK,
    RED,
    new_figure,
    nothing_to_show,
    number,
    styled,
    with_error,
)
from mesomode.report.variability import draw_correlations, draw_fields, draw_reliability


@styled
def draw_session(session: Session, example_units: int = 6) -> Figure:
    """Draw traces, running, tuning, reliability, dimension and autocorrelation of a session.

    Parameters
    ----------
    session : Session
    example_units : int
        Number of traces.

    Returns
    -------
    matplotlib.figure.Figure
    """
    units = session.traces.shape[1]
    used = int(np.sum(session.status == 0))
    title = f"Session {session.name}: {units} units, {used} of them used for dimension and time"
    ratios = (2.4, 0.8, 2.2, 2.2, 2.2, *[0.9] * bool(session.fields))
    figure = new_figure(11, 12.5 + bool(session.fields), title)
    grid = figure.add_gridspec(len(ratios), 2, height_ratios=ratios)
    above = figure.add_subplot(grid[0, :])
    _traces(above, session, example_units)
    _running(figure.add_subplot(grid[1, :], sharex=above), session)
    above.tick_params(labelbottom=False)
    _tuning(figure.add_subplot(grid[2, 0]), session)
    _autocorrelation(figure.add_subplot(grid[2, 1]), session)
    draw_reliability(figure.add_subplot(grid[3, 0]), session.variability)
    draw_correlations(figure.add_subplot(grid[3, 1]), session.variability)
    _spectrum(figure.add_subplot(grid[4, 0]), session)
    _subsets(figure.add_subplot(grid[4, 1]), session)
    if session.fields:
        draw_fields(figure, grid[5, :], session.fields)
    if session.facts:
        figure.supxlabel(" · ".join(session.facts), fontsize=8, color=GREY)
    return figure


def _traces(axes: Axes, session: Session, count: int) -> None:
    chosen = most_variable(session.traces, count)
    time = binned(session.time)
    shown = broken_at_gaps(time, binned(session.traces[:, chosen]))
    span = np.nanpercentile(np.abs(shown), 99.8) if np.isfinite(shown).any() else 1.0
    step = 0.8 * span if span > 0 else 1.0
    names = list(dict.fromkeys(name for name, _, _ in session.epochs))
    colours = stimulus_colours([name for name, _ in session.tests], names)
    for name, start, end in session.epochs:
        axes.axvspan(start, end, color=colours[name], alpha=0.18, lw=0)
    for place in range(shown.shape[1]):
        axes.plot(time, shown[:, place] - step * place, color=INK, lw=0.6)
    axes.plot([1.005, 1.005], [0, step], transform=axes.get_yaxis_transform(), color=INK, lw=1.5,
              clip_on=False)  # fmt: skip
    axes.text(
        1.01,
        step / 2,
        f"{number(step, 2)}\n{session.trace_name}",
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8,
    )
    axes.set_xlim(session.time[0], session.time[-1])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylabel(f"{session.trace_name} of {shown.shape[1]} units")
    axes.set_title(f"The {shown.shape[1]} most variable of {session.traces.shape[1]} units")
    if names:
        handles = [Patch(color=colours[n], alpha=0.4, label=n.replace("_", " ")) for n in names]
        axes.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=min(len(names), 4)
        )


def _running(axes: Axes, session: Session) -> None:
    speed = session.running_speed
    if speed is None or not np.isfinite(speed).any():
        axes.text(0.5, 0.5, "running speed was not recorded", transform=axes.transAxes, ha="center",
                  color=GREY)  # fmt: skip
        axes.set_yticks([])
    else:
        time = binned(session.time)
        axes.plot(time, broken_at_gaps(time, binned(speed)), color=BLUE, lw=0.8)
        axes.set_ylabel("running\n(cm/s)")
    axes.set_xlabel("time (s)")


def _tuning(axes: Axes, session: Session) -> None:
    colours = stimulus_colours([name for name, _ in session.tests], ())
    tested = [(name, p[np.isfinite(p)]) for name, p in session.tests]
    tested = [(name, p) for name, p in tested if p.size]
    if not tested:
        nothing_to_show(axes, "no stimulus could be tested")
        return
    strongest = max(-np.log10(max(float(p.min()), 1e-300)) for _, p in tested)
    edges = np.linspace(0, min(max(np.ceil(strongest), 4), 20), 41)
    for name, p in tested:
        tuned = int(np.sum(p < session.significance))
        axes.hist(
            np.minimum(-np.log10(np.maximum(p, 1e-300)), edges[-1]),
            list(edges),
            histtype="step",
            lw=1.4,
            color=colours[name],
            label=f"{name.replace('_', ' ')}: {tuned} of {p.size} ({100 * tuned / p.size:.0f} %)",
        )
    axes.axvline(-np.log10(session.significance), color=GREY, lw=0.8, ls=":")
    axes.set_xlabel("−log₁₀ p, analysis of variance over conditions (last bin: all above)")
    axes.set_ylabel("units")
    axes.set_title(f"Tuned units (p < {session.significance:g})")
    axes.legend()


def _autocorrelation(axes: Axes, session: Session) -> None:
    curves = session.unit_autocorrelation
    known = np.isfinite(curves).all(axis=0)
    if known.any():
        low, middle, high = np.percentile(curves[:, known], (25, 50, 75), axis=1)
        axes.fill_between(session.lag, low, high, color=BLUE, alpha=0.2, lw=0,
                          label=f"quartiles of units (n = {known.sum()})")  # fmt: skip
        axes.plot(session.lag, middle, color=BLUE, lw=0.9, label="median of units")
    mean = session.autocovariance / session.autocovariance[0]
    axes.plot(session.lag, mean, color=INK, label="all units, by variance")
    axes.axhline(0, color=GREY, lw=0.6)
    if np.isfinite(session.half_width):
        axes.plot([session.half_width], [0.5], "o", color=RED, label="half width")
    axes.set_xlabel("lag (s)")
    axes.set_ylabel("autocorrelation")
    axes.set_title(
        f"Half width {number(session.half_width)} s, integral {number(session.integrated_time)} s"
    )
    axes.legend()


def _spectrum(axes: Axes, session: Session) -> None:
    values = session.eigenvalue
    share = values / values.sum() if values.sum() > 0 else values
    shown = share > 1e-8
    axes.plot(np.arange(1, len(share) + 1)[shown], share[shown], color=BLUE)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rank")
    axes.set_ylabel("share of the variance")
    used = int(np.sum(session.status == 0))
    axes.set_title(f"Spectrum of the covariance (N = {used} units)")
    text = (
        "participation ratio\n"
        f"{with_error(session.dimension, session.dimension_error)} (unbiased)\n"
        f"{number(session.dimension_plain)} (plain)"
    )
    axes.text(0.04, 0.06, text, transform=axes.transAxes, va="bottom")


def _subsets(axes: Axes, session: Session) -> None:
    if not np.isfinite(session.subset_dimension[1:]).any():
        nothing_to_show(
            axes, "the unbiased dimension is unknown:\ntoo few blocks of time, or noise"
        )
        return
    axes.plot(
        session.subset,
        session.subset_dimension,
        "o-",
        ms=3,
        color=BLUE,
        label="random subsets, expected",
    )
    used = int(np.sum(session.status == 0))
    if np.isfinite(session.dimension):
        known = bool(np.isfinite(session.dimension_error))
        error = session.dimension_error if known else 0.0
        axes.errorbar([used], [session.dimension], [error], fmt="s", color=RED, ms=5,
                      label="all" + " ± s.e. (jackknife over blocks of time)" * known)  # fmt: skip
    axes.plot(session.subset, session.subset, color=GREY, lw=0.7, ls=":", label="number of units")
    highest = np.nanmax([*np.atleast_1d(session.subset_dimension), session.dimension, 1.0])
    axes.set_ylim(0, 1.35 * highest)
    axes.set_xlabel("number of units")
    axes.set_ylabel("participation ratio (dimensions)")
    axes.set_title("Dimension against the number of units")
    axes.legend(loc="lower right")
