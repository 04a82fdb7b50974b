"""Settings of the stage ``connectome``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from mesomode.settings import Field, SettingsBase

PUBLISHED_SMOOTHING = 1e5
"""Lambda that cross-validation chose on the mouse visual system (Harris et al. 2016)."""


class Settings(SettingsBase):
    """The voxel connectome (nonnegative spline regression), its baseline, or one's own file."""

    source: Literal["fit", "file"] = "fit"
    """Where the connectome comes from: 'fit' estimates it from the tracer experiments, 'file'
    reads a matrix or edge list of your own (key file)."""

    smoothing: float | None = Field(default=None, ge=1e-3, le=1e15)
    """Lambda of the spline regression, above 0. Larger: smoother weights, more bias. Smaller:
    finer detail, more variance; vary it by factors of 10 and watch the hold-out error. null:
    1e5, which cross-validation chose on the mouse visual system (Harris et al. 2016), or what
    suits the size of the phantom."""

    boundaries: Literal["none", "regional"] = "none"
    """Whether smoothness is asked across the boundaries of regions ('none': yes) or only within
    each region ('regional': weights may jump from one region to the next)."""

    tolerance: float = Field(default=1e-5, ge=1e-10, le=1e-2)
    """Accuracy at which the fit stops, for the optimality (KKT) residual and the estimated
    relative distance of the objective from its minimum, 1e-10 to 1e-2."""

    maximum_iterations: int = Field(default=100, ge=1, le=10_000)
    """Most Newton steps of the fit; 10 to 20 are usual. A fit that needs more is kept, marked as
    not converged."""

    holdout_fraction: float = Field(default=0.2, ge=0, le=0.5)
    """Fraction of the experiments that are set aside to measure the prediction error of a second
    fit to the others, 0 to 0.5. 0: no hold-out, half the time."""

    file: str | None = None
    """With source 'file': the file, .npz, .csv or .zarr. No pickled objects are read."""

    file_key: str | None = None
    """Name of the matrix in an .npz or .zarr file; null: its only matrix."""

    file_edge_keys: tuple[str, str, str] | None = None
    """For an edge list: names of its arrays or columns with the unit each connection comes from,
    the unit it goes to, and its weight, such as [pre, post, syn]. null: the file holds a
    matrix."""

    file_mask_key: str | None = None
    """Name of an array of true and false in an .npz or .zarr file that says which units to keep;
    null: all."""

    file_orientation: Literal["source_by_target", "target_by_source"] = "source_by_target"
    """What the rows of the file's matrix are: 'source_by_target' if an entry is the connection
    from its row to its column (usual for wiring diagrams), 'target_by_source' if from its column
    to its row."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source == "file" and self.file is None:
            raise ValueError("source is 'file' but no file is named: set connectome.file")
        if self.file_key is not None and self.file_edge_keys is not None:
            raise ValueError(
                "file_key names a matrix and file_edge_keys an edge list: set one of them to null"
            )
        return self
