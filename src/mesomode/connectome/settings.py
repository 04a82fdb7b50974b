"""Settings of the stage ``connectome``."""

from __future__ import annotations

from typing import Any, Literal, Self, get_args

from pydantic import model_validator

from mesomode.settings import Field, SettingsBase

PUBLISHED_SMOOTHING = 1e5
"""Lambda that cross-validation chose on the mouse visual system (Harris et al. 2016)."""

Model = Literal["voxel", "linear", "low_rank", "regional", "kernel", "distance"]
MODELS: tuple[Model, ...] = get_args(Model)
"""Models of the connectome, the richest first."""

FIT_KEYS = {
    "voxel": ("smoothing", "boundaries", "tolerance", "maximum_iterations", "experiment_weight"),
    "linear": ("smoothing", "boundaries", "tolerance", "experiment_weight"),
    "low_rank": (
        "smoothing", "boundaries", "tolerance", "maximum_iterations", "experiment_weight", "rank",
        "restarts",
    ),
    "regional": ("experiment_weight",),
    "kernel": ("experiment_weight", "bandwidth"),
    "distance": ("experiment_weight",),
}  # fmt: skip
"""Settings that a fit of each model depends on."""

SEARCH_KEYS = {
    "voxel": ("smoothing_grid", "search_with"),
    "linear": ("smoothing_grid",),
    "low_rank": ("smoothing_grid", "rank_grid"),
    "kernel": ("bandwidth_grid",),
}
"""Settings among whose values cross-validation chooses."""


SWEEP_KEYS = (*FIT_KEYS["low_rank"], "rank_sweep", "search_tolerance")
"""Settings that the sweep over ranks depends on."""


def keys_of(model: str, cross_validation: bool = False) -> tuple[str, ...]:
    """Settings that the fit of a model, or its cross-validation, depends on."""
    keys = FIT_KEYS[model]
    if not cross_validation:
        return keys
    return (*keys, *SEARCH_KEYS.get(model, ()), "outer_folds", "inner_folds", "search_tolerance")


class Settings(SettingsBase):
    """The voxel connectome (nonnegative spline regression), its baseline, or one's own file."""

    source: Literal["fit", "file"] = "fit"
    """Where the connectome comes from: 'fit' estimates it from the tracer experiments, 'file'
    reads a matrix or edge list of your own (key file)."""

    smoothing: float | None = Field(default=None, ge=1e-3, le=1e15)
    """Lambda of the spline regression, above 0. Larger: smoother weights, more bias. Smaller:
    finer detail, more variance; vary it by factors of 10 and watch the cross-validated error. null:
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

    models: tuple[Model, ...] = MODELS
    """Which models are fitted: voxel (nonnegative, the one to use), linear (the same without the
    constraint W >= 0), low_rank (nonnegative factors; the only one that fits a whole brain),
    regional (one weight for each pair of regions), kernel (averages over nearby injections, Knox
    et al. 2018), distance (weights depend on distance only)."""

    rank: int = Field(default=20, ge=1, le=20_000)
    """Rank of the low-rank model. More follows the data more closely, and costs more."""

    restarts: int = Field(default=1, ge=1, le=100)
    """Fits of the low-rank model from different starts, of which the best is kept; their spread
    is reported."""

    rank_sweep: tuple[int, ...] = (5, 10, 20)
    """Ranks at which the low-rank model is set beside the voxel model, twice each from different
    starts: how near it comes. Empty: none."""

    bandwidth: float = Field(default=500.0, gt=0, le=20_000)
    """Width of the kernel model in micrometres: how far an injection speaks for its
    neighbourhood."""

    experiment_weight: Literal["equal", "inverse_injection"] = "equal"
    """How much each experiment counts: 'equal', or in inverse proportion to the square of its
    injected amount, so that small injections count as much as large ones."""

    outer_folds: int = Field(default=3, ge=0, le=50)
    """Parts into which the experiments are split; each is predicted from the others. 0: no
    cross-validation; 5 as published (Harris et al. 2016)."""

    inner_folds: int = Field(default=3, ge=2, le=50)
    """Parts of the others among which lambda, rank and bandwidth are chosen, in each fold; 5 as
    published."""

    smoothing_grid: tuple[float, ...] | None = Field(default=None, min_length=1)
    """Values of lambda among which cross-validation chooses. null: 1e3, 1e4 ... 1e12 as published
    for Allen's data, or four powers of 10 around what suits the phantom's size."""

    rank_grid: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Ranks among which cross-validation chooses. null: the rank of the key rank alone."""

    bandwidth_grid: tuple[float, ...] = Field(
        default=(50.0, 100.0, 200.0, 300.0, 500.0, 800.0), min_length=1
    )
    """Bandwidths of the kernel model in micrometres among which cross-validation chooses."""

    search_tolerance: float = Field(default=1e-3, ge=1e-10, le=1e-2)
    """Accuracy of the fits of the cross-validation, as in tolerance. Their errors differ by much
    more than this between folds."""

    search_with: Literal["model", "linear"] = "model"
    """Which model's inner folds choose lambda for the voxel model: its own, or those of the linear
    model, which choose alike where the constraint W >= 0 hardly binds and make a fold about three
    times cheaper (1,500 to 3,500 voxels, 28 experiments, four lambda, three inner folds). The
    errors reported are those of the voxel model either way."""

    bootstrap: int = Field(default=0, ge=0, le=10_000)
    """Fits of the linear model to experiments drawn with replacement, for the standard error of
    its weights between regions. 0: none."""

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

    def resolved(self) -> dict[str, Any]:
        """Values, with the published lambda and its grid in place of null."""
        values = self.model_dump()
        if self.smoothing is None:
            values["smoothing"] = PUBLISHED_SMOOTHING
        if self.smoothing_grid is None:
            values["smoothing_grid"] = tuple(10.0**power for power in range(3, 13))
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source == "file" and self.file is None:
            raise ValueError("source is 'file' but no file is named: set connectome.file")
        if len(set(self.models)) < len(self.models) or not self.models:
            raise ValueError("models must name at least one model, each once")
        if len(set(self.rank_sweep)) < len(self.rank_sweep) or min(self.rank_sweep, default=1) < 1:
            raise ValueError("rank_sweep must hold positive ranks, each once")
        if self.outer_folds == 1:
            raise ValueError("outer_folds is 1: choose 0 (no cross-validation) or at least 2")
        if self.file_key is not None and self.file_edge_keys is not None:
            raise ValueError(
                "file_key names a matrix and file_edge_keys an edge list: set one of them to null"
            )
        return self
