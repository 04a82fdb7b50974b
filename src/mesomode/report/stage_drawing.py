"""What the steps that draw have in common: stores in, a figure in two formats out."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mesomode.report.settings import Settings
from mesomode.steps import Input, Output
from mesomode.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset as Store
else:  # heavy libraries are imported when a figure is drawn
    Figure, Store = Any, Annotated[Any, "store"]

CONTRALATERAL = 2
"""Flag of the other hemisphere in stores."""

FORMATS = {"png": Output, "svg": Output, "settings": Settings}


def drawn(draw: Callable[..., Figure]) -> Callable[..., None]:
    """Make the step that draws a figure from the function that does it.

    The step takes the path of each store where the function takes the store,
    opens it and closes it afterwards; further inputs and outputs pass through.
    To these come ``png`` and ``svg``, each written whole or not at all, and the
    ``settings`` of the report, which the function is given if it asks for them.

    Parameters
    ----------
    draw : callable
        Keyword-only parameters, annotated :data:`Store`, ``list[Store]``, or as
        those of a step.

    Returns
    -------
    callable
        To be marked with :func:`mesomode.steps.step`.
    """
    hints = typing.get_type_hints(draw, include_extras=True)
    taken = {name: hints[name] for name in inspect.signature(draw).parameters}
    paths = {Store: Input, list[Store]: list[Input]}

    @functools.wraps(draw)
    def drawing(*, png: Path, svg: Path, settings: Settings, **arguments: Any) -> None:
        with ExitStack() as stack:
            for name, hint in taken.items():
                if hint == Store:
                    arguments[name] = stack.enter_context(open_store(arguments[name]))
                elif hint == list[Store]:
                    stores = [stack.enter_context(open_store(path)) for path in arguments[name]]
                    arguments[name] = stores
            if "settings" in taken:
                arguments["settings"] = settings
            _save(draw(**arguments), png, svg, settings)

    seen = {name: paths.get(hint, hint) for name, hint in taken.items()} | FORMATS
    keyword = inspect.Parameter.KEYWORD_ONLY
    drawing.__annotations__ = {**seen, "return": None}
    drawing.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, keyword, annotation=hint) for name, hint in seen.items()]
    )
    heading = "Parameters\n----------\n"
    text = inspect.getdoc(draw) or ""
    drawing.__doc__ = text.replace(heading, f"{heading}png, svg : Path\n    The figure.\n")
    return drawing


def _save(figure: Figure, png: Path, svg: Path, settings: Settings) -> None:
    from mesomode.files import atomic_file
    from mesomode.report.style import save_figure

    for path in (png, svg):
        with atomic_file(path) as temporary:
            save_figure(figure, temporary, dpi=settings.dpi, svg_text=settings.svg_text)


def write_texts(texts: dict[Path, str]) -> None:
    """Write tables, each whole or not at all."""
    from mesomode.files import atomic_file

    for path, text in texts.items():
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def sources_of(atlas: Store) -> dict[str, Any]:
    """What the figures need of the source voxels, by the names of their parameters."""
    return {
        "source_voxel": atlas["source_voxel"].values,
        "source_region": atlas["source_region"].values,
        "regions": atlas.attrs["regions"],
        "resolution_um": float(atlas.attrs["resolution_um"]),
    }


def places_of(atlas: Store) -> dict[str, Any]:
    """What they need of the source and target voxels."""
    targets = {name: atlas[name].values for name in ("target_voxel", "target_region")}
    return {**sources_of(atlas), **targets}
