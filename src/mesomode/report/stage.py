"""The stage ``report``: stores → figures and the table of key numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.report.settings import Settings
from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAUSE_S = 5.0
"""Pauses between presentations up to this long are drawn as part of the epoch."""


@step
def figure_atlas(*, atlas: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw slices through the regions, and the source voxels from above.

    Parameters
    ----------
    atlas : Path
        ``atlas.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.atlas import draw_atlas

    with open_store(atlas) as grid:
        figure = draw_atlas(grid["template"].values, **_grid(grid), **_targets(grid))
    _save(figure, png, svg, settings)


@step
def figure_injections(
    *, atlas: Input, tracing: Input, png: Output, svg: Output, settings: Settings
) -> None:
    """Draw where the injections are, how large they are, and why others were dropped.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr``, ``tracing.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.tracing import draw_injections

    with open_store(atlas) as grid, open_store(tracing) as data:
        chosen = data.attrs["mesomode"]["settings"]
        values: dict[str, Any] = {
            name: data[name].values
            for name in (
                "primary_region",
                "flipped",
                "injection_density",
                "observed",
                "candidate_reason",
                "candidate_volume",
                "candidate_fraction_inside",
            )
        }
        figure = draw_injections(
            **_grid(grid),
            **values,
            centroid=data["injection_centroid"].values,
            volume=data["injection_volume"].values,
            reasons=data["candidate_reason"].attrs["flag_meanings"].split(),
            limits={
                name: float(chosen[name])
                for name in ("maximum_injection_volume", "minimum_fraction_inside")
            },
        )
    _save(figure, png, svg, settings)


@step
def figure_coverage(
    *, atlas: Input, tracing: Input, png: Output, svg: Output, settings: Settings
) -> None:
    """Draw how many experiments reach each source and observe each target.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr``, ``tracing.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.tracing import draw_coverage

    with open_store(atlas) as grid, open_store(tracing) as data:
        figure = draw_coverage(
            **_grid(grid),
            **_targets(grid),
            injection_density=data["injection_density"].values,
            observed=data["observed"].values,
        )
    _save(figure, png, svg, settings)


@step
def figure_connectome(*, models: list[Input], png: Output, svg: Output, settings: Settings) -> None:
    """Draw the connectomes as matrices, by voxel and region by region.

    Parameters
    ----------
    models : list of Path
        ``connectome/<model>.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.connectome import draw_connectome

    with _opened(models) as stores:
        first = stores[0]
        figure = draw_connectome(
            [(f"{data.attrs['model']} model", data["weights"]) for data in stores],
            first["target_region"].values,
            first["source_region"].values,
            first.attrs["regions"],
        )
        _save(figure, png, svg, settings)


@step
def figure_fit(
    *, tracing: Input, models: list[Input], png: Output, svg: Output, settings: Settings
) -> None:
    """Draw predicted projections, the errors of experiments held out, and the certificate.

    Parameters
    ----------
    tracing : Path
        ``tracing.zarr``.
    models : list of Path
        ``connectome/<model>.zarr``, the voxel model first.
    png, svg : Path
        The figure.
    """
    import numpy as np

    from mesomode.report.fit import Certificate, Fit, draw_fit

    with open_store(tracing) as data, _opened(models) as stores:
        injection = data["injection_density"].values
        fits = []
        for store in stores:
            held_out = "holdout_prediction" in store
            test = "test" in store
            errors = "holdout_experiment_error" if test else "experiment_error"
            fits.append(
                Fit(
                    name=str(store.attrs["model"]),
                    prediction=store["holdout_prediction"].values
                    if held_out
                    else store["weights"].values @ injection,
                    held_out=held_out,
                    test=store["test"].values if test else np.zeros(injection.shape[1], bool),
                    experiment_error=store[errors].values,
                    voxel=float(store["voxel_error"]),
                    regional=float(store["regional_error"]),
                    **{
                        f"{part}_{kind}": _scalar(store, f"{part}_{kind}_error")
                        for part in ("test", "train")
                        for kind in ("voxel", "regional")
                    },
                )
            )
        voxel = stores[0]
        certificate = Certificate(
            products=voxel["step_products"].values,
            gap=voxel["step_gap_estimate"].values,
            residual=voxel["step_kkt_residual"].values,
            bound=float(voxel["gap_bound"]),
            tolerance=float(voxel.attrs["mesomode"]["settings"]["tolerance"]),
            converged=bool(voxel["converged"]),
            misfit=float(voxel["misfit"]),
            penalty=float(voxel["penalty"]),
            free=float(voxel["free_fraction"]),
        )
        figure = draw_fit(
            fits, data["projection_density"].values, data["observed"].values, certificate
        )
    _save(figure, png, svg, settings)


@step
def figure_truth(
    *,
    atlas: Input,
    truth: Input,
    models: list[Input],
    png: Output,
    svg: Output,
    settings: Settings,
) -> None:
    """Draw the fitted connectomes against the true one of the phantom.

    Parameters
    ----------
    atlas, truth : Path
        ``atlas.zarr``, ``connectome/truth.zarr``.
    models : list of Path
        ``connectome/<model>.zarr``, in the order in which they were compared.
    png, svg : Path
        The figure.
    """
    from mesomode.report.truth import Model, draw_truth

    with open_store(atlas) as grid, open_store(truth) as data, _opened(models) as stores:
        compared = [
            Model(
                name=name,
                weights=store["weights"].values,
                regional_weights=data["regional_weights"][place].values,
                singular_value=data["singular_value"][place].values,
                **{
                    quantity: float(data[quantity][place])
                    for quantity in (
                        "relative_error",
                        "correlation",
                        "mean_squared_error",
                        "regional_error",
                    )
                },
            )
            for place, (name, store) in enumerate(zip(data.attrs["models"], stores, strict=True))
        ]
        figure = draw_truth(
            compared,
            data["weights"].values,
            data["true_regional_weights"].values,
            data["true_singular_value"].values,
            **_grid(grid),
            **_targets(grid),
        )
    _save(figure, png, svg, settings)


@step
def figure_network(*, network: list[Input], png: Output, svg: Output, settings: Settings) -> None:
    """Draw the singular spectra of the connectome and of the networks.

    Parameters
    ----------
    network : list of Path
        ``network/<variant>.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.network import (
        CONNECTOME_COLOURS,
        Spectrum,
        draw_network,
        variant_colour,
        variant_name,
    )

    spectra, colours = [], []
    for path in network:
        with open_store(path) as data:
            if "connectome_singular_value" in data:
                for name, text, colour in zip(
                    ("connectome", "centred"),
                    ("connectome", f"connectome, centred ({data.attrs['centring']})"),
                    CONNECTOME_COLOURS,
                    strict=True,
                ):
                    values = data[f"{name}_singular_value"].values
                    rank = float(data[f"{name}_effective_rank"])
                    spectra.append(Spectrum(text.replace("_", " "), values, rank))
                    colours.append(colour)
            variant = str(data.attrs["variant"])
            spectra.append(
                Spectrum(
                    f"network, {variant_name(variant)}",
                    data["singular_value"].values,
                    float(data["effective_rank"]),
                    float(data["gain"]),
                )
            )
            colours.append(variant_colour(variant))
    _save(draw_network(spectra, colours), png, svg, settings)


@step
def figure_dynamics(*, dynamics: list[Input], png: Output, svg: Output, settings: Settings) -> None:
    """Draw the simulated activity of the networks beside mean-field theory.

    Parameters
    ----------
    dynamics : list of Path
        ``dynamics/<variant>.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.dynamics import Activity, draw_dynamics

    networks = []
    for path in dynamics:
        with open_store(path) as data:
            units = int(data.attrs["units"])
            theory = float(data["mean_field_participation_ratio_per_unit"])
            networks.append(
                Activity(
                    variant=str(data.attrs["variant"]),
                    units=units,
                    trajectories=int(data.attrs["trajectories"]),
                    gain=float(data.attrs["gain"]),
                    lag=data["lag"].values,
                    states=data["autocovariance"].values,
                    states_error=data["autocovariance_error"].values,
                    states_theory=data["mean_field_autocovariance"].values,
                    rates=data["activity_autocovariance"].values,
                    rates_error=data["activity_autocovariance_error"].values,
                    rates_theory=data["mean_field_activity_autocovariance"].values,
                    eigenvalue=data["covariance_eigenvalue"].values,
                    dimension=float(data["participation_ratio"]),
                    dimension_error=float(data["participation_ratio_error"]),
                    dimension_theory=units * theory,
                    correlation_time=float(data["correlation_time"]),
                    correlation_time_theory=float(data["mean_field_correlation_time"]),
                    time=data["time"].values,
                    example=data["example_activity"].values,
                    frozen=float(data["frozen_fraction"]),
                    asymptotic=bool(data.attrs["asymptotic"]),
                )
            )
    _save(draw_dynamics(networks, settings.example_units), png, svg, settings)


@step
def figure_session(*, session: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw traces, stimuli, tuning, dimension and time-scales of one session.

    Parameters
    ----------
    session : Path
        ``recordings/<session>.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.recordings import Session, draw_session, epochs_of

    with open_store(session) as data:
        chosen = data.attrs["mesomode"]["settings"]
        time = data["time"].values
        stimuli = data["presentation_stimulus"].attrs["flag_meanings"].split()
        last = len(time) - 1
        start, end = (
            time[data[f"presentation_{edge}"].values.clip(0, last)] for edge in ("start", "end")
        )
        codes = data["tested_stimulus"].values
        p_values = data["tuning_p_value"].values
        figure = draw_session(
            Session(
                name=session.stem,
                signal=str(data.attrs["signal"]),
                time=time,
                traces=data["dff"].values,
                running_speed=data["running_speed"].values if "running_speed" in data else None,
                epochs=epochs_of(
                    data["presentation_stimulus"].values, start, end, stimuli, pause=PAUSE_S
                ),
                status=data["unit_status"].values,
                tests=[(stimuli[code], p_values[place]) for place, code in enumerate(codes)],
                significance=float(chosen["significance"]),
                eigenvalue=data["covariance_eigenvalue"].values,
                dimension=float(data["participation_ratio"]),
                dimension_error=float(data["participation_ratio_error"]),
                dimension_plain=float(data["participation_ratio_plain"]),
                subset=data["subset"].values,
                subset_dimension=data["participation_ratio_subset"].values,
                lag=data["lag"].values,
                autocovariance=data["autocovariance"].values,
                unit_autocorrelation=data["unit_autocorrelation"].values,
                half_width=float(data["half_width"]),
                integrated_time=float(data["integrated_time"]),
                facts=_facts(data.attrs),
            ),
            settings.example_units,
        )
    _save(figure, png, svg, settings)


@step
def figure_comparison(*, comparison: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw dimension and time-scales of recordings beside those of networks.

    Parameters
    ----------
    comparison : Path
        ``comparison.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.comparison import Compared, draw_comparison

    with open_store(comparison) as data:
        systems = [
            Compared(
                name=str(system["name"]),
                recording=system["kind"] == "recording",
                units=int(data["units"][i]),
                dimension=float(data["participation_ratio"][i]),
                dimension_error=float(data["participation_ratio_error"][i]),
                dimension_plain=float(data["participation_ratio_plain"][i]),
                dimension_common=float(data["participation_ratio_common"][i]),
                half_width=float(data["half_width"][i]),
                integrated_time=float(data["integrated_time"][i]),
                noise_fraction=float(data["noise_fraction"][i]),
                subset_dimension=data["participation_ratio_subset"][i].values,
                variance_explained=data["variance_explained"][i].values,
                autocorrelation=data["autocorrelation"][i].values,
            )
            for i, system in enumerate(data.attrs["systems"])
        ]
        figure = draw_comparison(
            systems,
            common_units=int(data["common_units"]),
            subset=data["subset"].values,
            scaled_lag=data["scaled_lag"].values,
            time_constant=data["implied_time_constant"].values,
        )
    _save(figure, png, svg, settings)


@step
def summary(
    *,
    atlas: Input,
    tracing: Input,
    connectome: list[Input],
    network: list[Input],
    dynamics: list[Input],
    recordings: list[Input],
    comparison: Input,
    csv: Output,
    html: Output,
) -> None:
    """Collect the key numbers of the run from all stores.

    Parameters
    ----------
    atlas, tracing, connectome, network, dynamics, recordings, comparison : Path or list of Path
        The stores.
    csv, html : Path
        The table, with full precision and as people read it.
    """
    from mesomode.files import atomic_file
    from mesomode.report import summary as table

    rows = []
    for paths, rows_of in (
        ([atlas], table.atlas_rows),
        ([tracing], table.tracing_rows),
        (connectome, table.connectome_rows),
        (network, table.network_rows),
        (dynamics, table.dynamics_rows),
        (recordings, table.recordings_rows),
        ([comparison], table.comparison_rows),
    ):
        for path in paths:
            with open_store(path) as data:
                rows += rows_of(data, path.stem)
    for path, text in (
        (csv, table.as_csv(rows)),
        (html, table.as_html(rows, f"Key numbers of {csv.parent.name}")),
    ):
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for line in table.as_text(rows):
        logger.info("%s", line)


def _facts(attributes: dict[str, Any]) -> list[str]:
    """What is known of a session, in words."""
    known = (
        ("session_type", "{}"),
        ("targeted_structure", "{}"),
        ("imaging_depth_um", "{} µm deep"),
        ("cre_line", "{}"),
    )
    facts = [text.format(attributes[name]) for name, text in known if attributes.get(name)]
    return [*facts, f"dimension and time-scales of {attributes['signal']}"]


@contextmanager
def _opened(paths: list[Path]) -> Iterator[list[Any]]:
    """Several stores, open together."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_store(path)) for path in paths]


def _scalar(data: Any, name: str) -> float:
    """A number of a store, NaN where the store lacks it."""
    return float(data[name]) if name in data else float("nan")


def _grid(grid: Any) -> dict[str, Any]:
    """What the figures need of the source voxels."""
    return {
        "source_voxel": grid["source_voxel"].values,
        "source_region": grid["source_region"].values,
        "regions": grid.attrs["regions"],
        "resolution_um": float(grid.attrs["resolution_um"]),
    }


def _targets(grid: Any) -> dict[str, Any]:
    return {name: grid[name].values for name in ("target_voxel", "target_region")}


def _save(figure: Figure, png: Path, svg: Path, settings: Settings) -> None:
    """Write a figure in both formats, each whole or not at all."""
    from mesomode.files import atomic_file
    from mesomode.report.style import save_figure

    for path in (png, svg):
        with atomic_file(path) as temporary:
            save_figure(figure, temporary, dpi=settings.dpi, svg_text=settings.svg_text)
