"""Settings of the stage ``network``."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import StringConstraints, model_validator

from mesomode.settings import Field, SettingsBase

Variant = Literal["independent", "blocks", "random_mode", "overlaps", "heterogeneous", "connectome"]
VARIANTS = get_args(Variant)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

STRUCTURE_KEYS = (
    *("centring", "self_connections", "sign", "inhibitory_fraction", "blocks", "null_draws"),
)
"""Keys that the measurement of a connectome depends on."""
NETWORK_KEYS = ("gain", "modes", "units")
"""Keys that the networks made from it depend on."""


class Other(SettingsBase):
    """A further connectome, a matrix or an edge list from a file."""

    file: str
    """The file, .npz, .csv or .zarr."""

    key: str | None = None
    """Name of the matrix in an .npz or .zarr file; null: its only matrix."""

    edge_keys: tuple[str, str, str] | None = None
    """For an edge list: names of the arrays or columns of source, target and weight."""

    mask_key: str | None = None
    """Name of an array of true and false that says which units to keep."""

    orientation: Literal["source_by_target", "target_by_source"] = "source_by_target"
    """What the rows of a matrix are: the senders, or the receivers."""

    position_key: str | None = None
    """Name of an array with the coordinates of the units, a row each; null: not known."""

    @model_validator(mode="after")
    def _one_form(self) -> Other:
        if self.key is not None and self.edge_keys is not None:
            raise ValueError(
                "key names a matrix and edge_keys an edge list: set one of them to null"
            )
        return self


class Settings(SettingsBase):
    """Networks that share more and more with a connectome, up to the connectome itself."""

    connectome: Literal["voxel", "linear", "low_rank", "regional", "kernel", "distance"] = "voxel"
    """Connectome that the networks are made from; if connectome.source is 'file', that one is
    used and this key has no effect."""

    variants: tuple[Variant, ...] = ("random_mode", "independent", "heterogeneous", "connectome")
    """Networks to make and simulate, each of the same gain. independent: independent couplings.
    blocks: independent, with the variances that the connectome has between groups of units.
    random_mode: random modes with the connectome's singular spectrum. overlaps: and with those
    overlaps of output and input modes that are not chance. heterogeneous: also with the
    scales of rows and columns. connectome: the connectome itself, signed, centred, at the gain."""

    others: dict[Name, Other] = Field(default_factory=dict)
    """Further connectomes by name, for example {worm: {file: worm.npz, key: chem}}; keys: file,
    key, edge_keys, mask_key, orientation, position_key, as in the section connectome. All
    variants of each are made and simulated: network/<name>/<variant>.zarr."""

    units: int | None = Field(default=None, ge=10, le=20_000)
    """Number of units, 10 to 20,000. null: as many as the connectome has, but at most 2,000, unless
    it came in factors, so that random modes of all units cost little;
    otherwise the spectrum is resampled so that gain and effective rank per unit are kept, and
    of the variant connectome units drawn by chance are kept (null: all of them).
    More units follow the theory better; the cost grows with their square."""

    gain: float = Field(default=1.0, gt=0, le=30)
    """Coupling gain g, above 0, at most 30: N times the variance of a coupling is g². A
    connectome's scale is arbitrary, so it is set here. With dynamics.noise 1, a gain near 1
    shows the effect of the spectrum at sizes that can be simulated. With dynamics.noise 0, activity
    needs a gain above 1, where it is chaotic: slow and small near 1, clearly so from 2 to 5."""

    sign: Literal["none", "presynaptic"] = "none"
    """Connectomes are measured as nonnegative amounts. none: they are used so; their mean, a mode
    of rank one that would drive all units into saturation together, is then removed by
    centring. presynaptic: units drawn by chance are inhibitory, and all they send is negative
    (Dale's law); the mean shrinks to 1 − 2·inhibitory_fraction of itself, and centring removes
    what is left."""

    inhibitory_fraction: float = Field(default=0.2, ge=0, le=1)
    """Share of inhibitory units with sign presynaptic, 0 to 1; 0.2 as in cortex, 0.5 for a mean
    of zero."""

    centring: Literal["top_mode", "rank_one_mean", "none"] = "top_mode"
    """What is removed once the units have their signs: the largest singular mode (of nonnegative
    weights: nearly their mean), the product of row and column means, or nothing. The share of
    the largest mode in the sum of squares, before and after, is always reported. The theory is
    one of fluctuations without a dominant mode; to see the connectome as it is, use none and
    look at the simulation."""

    self_connections: bool = False
    """Whether the connectome's diagonal is kept; the theory has none. That of a connectome in
    factors (low_rank with more than 4,000 units, or without its weights) is always kept, and
    its share of the sum of squares is logged."""

    modes: Literal["gaussian", "orthogonal"] = "gaussian"
    """Random modes with independent normal entries (the published ensemble), with strengths whose
    effective rank is that of the connectome, or orthonormal ones, which keep the singular
    values exactly. Gaussian ones cannot have an effective rank above one per unit, orthonormal
    ones no overlaps; the other kind is then used."""

    blocks: int | None = Field(default=None, ge=1, le=100)
    """Groups of units in the variant blocks, 1 to 100. null: the regions of the units, or, where
    these are not known, 4 groups found in the connections."""

    null_draws: int = Field(default=3, ge=0, le=1000)
    """Random connectomes of each kind that the spectrum is compared with, 0 to 1000: with weights
    shuffled, with the degrees kept, and, where positions are known, with the distances kept. Of a
    connectome in factors they are of 1,500 units drawn by chance."""
