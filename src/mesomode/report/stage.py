"""The stage ``report``: stores → figures and the table of key numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.errors import DataError
from mesomode.report.settings import Settings
from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTRALATERAL = 2
"""Flag of the other hemisphere in stores."""


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
            [(_title(data), data["weights"]) for data in stores],
            first["target_region"].values,
            first["target_hemisphere"].values == CONTRALATERAL,
            first["source_region"].values,
            first.attrs["regions"],
        )
        _save(figure, png, svg, settings)


@step
def figure_fit(
    *, tracing: Input, models: list[Input], png: Output, svg: Output, settings: Settings
) -> None:
    """Draw predicted projections, the errors of the experiments, and the certificate.

    Parameters
    ----------
    tracing : Path
        ``tracing.zarr``.
    models : list of Path
        ``connectome/<model>.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.fit import Certificate, Fit, draw_fit

    with open_store(tracing) as data, _opened(models) as stores:
        injection = data["injection_density"].values
        figure = draw_fit(
            [Fit.of(store, injection) for store in stores],
            data["projection_density"].values,
            data["observed"].values,
            next((Certificate.of(s) for s in stores if s.attrs["model"] == "voxel"), None),
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
        figure = draw_truth(
            Model.all_of(data, stores),
            data["weights"].values,
            data["true_regional_weights"].values,
            data["true_singular_value"].values,
            **_grid(grid),
            **_targets(grid),
        )
    _save(figure, png, svg, settings)


@step
def figure_cross_validation(
    *,
    atlas: Input,
    tracing: Input,
    coverage: Input,
    cross_validation: Input,
    png: Output,
    svg: Output,
    settings: Settings,
) -> None:
    """Draw the errors of all models in the same folds, what was chosen, and the table.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    coverage, cross_validation : Path
        ``connectome/coverage.zarr``, ``connectome/cross_validation.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.cross_validation import CrossValidated, draw_cross_validation, verdict
    from mesomode.report.order import Facts, explanation

    with open_store(cross_validation) as data:
        models = CrossValidated.all_of(data)
    with open_store(atlas) as grid, open_store(tracing) as data, open_store(coverage) as covered:
        facts = Facts.of(
            data["injection_density"].values,
            data["primary_region"].values,
            grid["source_region"].values,
            covered["coverage"].values,
        )
    for line in (verdict(models), *explanation(models, facts)):
        logger.info("%s", line)
    _save(draw_cross_validation(models, facts), png, svg, settings)


@step
def figure_projection(
    *,
    atlas: Input,
    models: list[Input],
    flatmap: list[Input],
    png: Output,
    svg: Output,
    gif: Output,
    settings: Settings,
) -> None:
    """Draw the connections of one voxel, and a film of a source that crosses the largest region.

    Parameters
    ----------
    atlas : Path
        ``atlas.zarr``.
    models : list of Path
        ``connectome/<model>.zarr``; beside it ``connectome/truth.zarr`` where the truth is known.
    flatmap : list of Path
        The file of the setting ``flatmap``, or none.
    png, svg : Path
        The figure.
    gif : Path
        The film.

    Raises
    ------
    DataError
        The setting ``source_voxel`` does not name a source voxel, or the flatmap is not one of
        this atlas.
    """
    import h5py
    import numpy as np

    from mesomode.files import atomic_file
    from mesomode.report import projection
    from mesomode.report.flatmap import Flatmap
    from mesomode.report.movie import draw_sweep, save_film, sweep

    with open_store(atlas) as grid, _opened(models) as stores:
        places = {**_grid(grid), **_targets(grid)}
        spread = None
        for path in flatmap:
            with h5py.File(path, "r") as file:
                if not {"view lookup", "paths"} <= set(file):
                    raise DataError(
                        "the flatmap has no view lookup or no paths",
                        where=path,
                        why=f"it holds {sorted(file)}",
                        remedy="give report.flatmap a file of cortical coordinates, "
                        "dorsal_flatmap_paths_100.h5 or top_view_paths_100.h5",
                    )
                spread = Flatmap(file["view lookup"][:], file["paths"][:], grid["annotation"].shape)
        other = grid["target_hemisphere"].values == CONTRALATERAL
        voxel, region = places["source_voxel"], places["source_region"]
        source = projection.source_at(settings.source_voxel, voxel, region, places["regions"])
        target = projection.target_at(source, voxel, places["target_voxel"])
        central = projection.source_at(None, voxel, region, places["regions"])
        members = np.flatnonzero(region == region[central])
        crossed = members[sweep(voxel[members])]
        connections, films = [], []
        for store in stores:
            title = _title(store)
            weights = store["weights"]
            incoming = None if target is None else weights[target].values
            connections.append(projection.Connections(title, weights[:, source].values, incoming))
            films.append((title.capitalize(), weights[:, crossed].values[~other]))
    near = {name: places[name][~other] for name in ("target_voxel", "target_region")}
    figure, show = draw_sweep(films, crossed, **{**places, **near})
    with atomic_file(gif) as temporary:
        save_film(figure, show, len(crossed), temporary)
    drawn = projection.draw_projection(
        connections, source, contralateral=other, flatmap=spread, **places
    )
    _save(drawn, png, svg, settings)


@step
def figure_residual(
    *,
    atlas: Input,
    tracing: Input,
    model: Input,
    cross_validation: list[Input],
    png: Output,
    svg: Output,
    settings: Settings,
) -> None:
    """Draw observed and predicted projections of the experiments with the largest errors.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr``, ``tracing.zarr``.
    model : Path
        ``connectome/<model>.zarr``.
    cross_validation : list of Path
        ``connectome/cross_validation.zarr``, or none: then the fit to all is shown.
    png, svg : Path
        The figure.
    """
    from mesomode.report.residual import Prediction, draw_residual

    with (
        open_store(atlas) as grid,
        open_store(tracing) as data,
        open_store(model) as fitted,
        _opened(cross_validation) as folds,
    ):
        places = {**_grid(grid), **_targets(grid)}
        del places["source_region"]
        injection = data["injection_density"].values
        if folds:
            prediction = Prediction.out_of_fold(folds[0], str(fitted.attrs["model"]))
        else:
            prediction = Prediction.of_fit(fitted, injection)
        figure = draw_residual(
            prediction,
            experiment=data["experiment"].values,
            projection_density=data["projection_density"].values,
            observed=data["observed"].values,
            injection_density=injection,
            contralateral=grid["target_hemisphere"].values == CONTRALATERAL,
            **places,
        )
    _save(figure, png, svg, settings)


@step
def figure_informed(
    *, atlas: Input, coverage: Input, png: Output, svg: Output, settings: Settings
) -> None:
    """Draw which source voxels the experiments inform, why others not, and how much.

    Parameters
    ----------
    atlas, coverage : Path
        ``atlas.zarr``, ``connectome/coverage.zarr``.
    png, svg : Path
        The figure.

    Raises
    ------
    DataError
        The setting ``source_voxel`` does not name a source voxel.
    """
    from mesomode.report.informed import Informed, draw_informed
    from mesomode.report.projection import source_at

    with open_store(atlas) as grid, open_store(coverage) as data:
        places = _grid(grid)
        source = source_at(
            settings.source_voxel,
            places["source_voxel"],
            places["source_region"],
            places["regions"],
        )
        figure = draw_informed(Informed.of(data, places["regions"]), source, **places)
    _save(figure, png, svg, settings)


@step
def figure_ranks(*, ranks: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw how near the low-rank model comes to the voxel model, against its rank.

    Parameters
    ----------
    ranks : Path
        ``connectome/ranks.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.ranks import draw_ranks

    with open_store(ranks) as store:
        figure = draw_ranks(
            **{
                name: store[name].values
                for name in ("rank", "distance", "truncated_distance", "objective")
            },
            voxel_objective=float(store["voxel_objective"]),
            smoothing=float(store.attrs["smoothing"]),
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
    from mesomode.report.network import Spectrum, draw_network, spectra_of

    spectra: dict[str, Spectrum] = {}
    with _opened(network) as stores:
        for store in stores:
            spectra |= spectra_of(store)
    _save(draw_network(spectra), png, svg, settings)


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

    with _opened(dynamics) as stores:
        figure = draw_dynamics([Activity.of(store) for store in stores], settings.example_units)
    _save(figure, png, svg, settings)


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
    from mesomode.report.recordings import draw_session
    from mesomode.report.session import Session

    with open_store(session) as data:
        figure = draw_session(Session.of(data, session.stem), settings.example_units)
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
        figure = draw_comparison(
            Compared.all_of(data),
            common_units=int(data["common_units"]),
            subset=data["subset"].values,
            scaled_lag=data["scaled_lag"].values,
            time_constant=data["implied_time_constant"].values,
        )
    _save(figure, png, svg, settings)


@step
def figure_similarity(*, similarity: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw the distances between the dynamics of recordings and networks, and their floor.

    Parameters
    ----------
    similarity : Path
        ``comparison/similarity.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.similarity import draw_similarity

    with open_store(similarity) as data:
        figure = draw_similarity(data, tuple(data["copy"].attrs["flag_meanings"].split()))
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
    for line in filter(None, [*table.as_text(rows), table.recovery(rows)]):
        logger.info("%s", line)


@contextmanager
def _opened(paths: list[Path]) -> Iterator[list[Any]]:
    """Several stores, open together."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_store(path)) for path in paths]


def _title(store: Any) -> str:
    """What the weights of a store are called."""
    from mesomode.report.models import model_name

    return "truth" if "models" in store.attrs else f"{model_name(store.attrs['model'])} model"


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
