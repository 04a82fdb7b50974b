"""In words: which models are not in the expected order, by how much, and what speaks of why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mesomode.report.models import model_name
from mesomode.report.style import counted, number

if TYPE_CHECKING:
    from mesomode.report.cross_validation import CrossValidated

EXPECTED = (("voxel",), ("low_rank",), ("kernel", "distance"), ("regional",))
"""The richer model ahead of the poorer one; models of one step are not compared."""
CERTAIN = 2.0
"""Standard errors from which on a difference is taken as one."""


@dataclass(frozen=True)
class Facts:
    """What of the experiments bears on how well they are predicted from each other.

    Parameters
    ----------
    experiments : int
    overlap : float
        Share of an injection that lies in voxels which another experiment injected too, mean
        over the experiments.
    injected : float
        Share of the source voxels that any experiment injected.
    informed : float
        Share of the source voxels that the data inform.
    regions : int
        Source regions.
    alone : int
        Those in which at most one experiment has most of its injection.
    """

    experiments: int
    overlap: float
    injected: float
    informed: float
    regions: int
    alone: int

    @classmethod
    def of(
        cls,
        injection: np.ndarray,
        primary_region: np.ndarray,
        source_region: np.ndarray,
        state: np.ndarray,
    ) -> Facts:
        """Measure them.

        Parameters
        ----------
        injection : float array (source, experiment)
            X.
        primary_region : int array (experiment,)
            Region that holds most of the injection.
        source_region : int array (source,)
        state : int array (source,)
            0: the data inform the voxel.
        """
        inside = injection > 0
        shared = inside & (inside.sum(axis=1, keepdims=True) > 1)
        amount = injection.sum(axis=0)
        share = (injection * shared).sum(axis=0)[amount > 0] / amount[amount > 0]
        regions = np.unique(source_region)
        return cls(
            experiments=injection.shape[1],
            overlap=float(share.mean()) if share.size else 0.0,
            injected=float(inside.any(axis=1).mean()),
            informed=float((state == 0).mean()),
            regions=len(regions),
            alone=int(sum(np.sum(primary_region == region) <= 1 for region in regions)),
        )

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"{counted(self.experiments, 'experiment')}; {self.overlap:.0%} of an injection lies "
            f"where another experiment injected too; {self.injected:.0%} of the source voxels were "
            f"injected, {self.informed:.0%} are informed; {self.alone} of "
            f"{counted(self.regions, 'region')} have one experiment or none."
        )


@dataclass(frozen=True)
class Violation:
    """Two models in the other order than expected, by the voxel MSE_rel of the test parts.

    Parameters
    ----------
    behind, ahead : CrossValidated
        The one expected ahead, and the one that is.
    difference, error : float
        Mean over the folds of what the first has more, and its standard error; NaN: one fold.
    experiments, of : int
        In how many of all experiments the second has the smaller error.
    """

    behind: CrossValidated
    ahead: CrossValidated
    difference: float
    error: float
    experiments: int
    of: int

    @property
    def certain(self) -> bool:
        """Whether it is more than two standard errors; without one it is taken as such."""
        return not self.difference <= CERTAIN * self.error

    def __str__(self) -> str:
        """What happened, and what the training errors and the chosen parameters say of it."""
        behind, ahead = model_name(self.behind.name), model_name(self.ahead.name)
        errors = f"{number(self.difference / self.error, 2)} s.e." if self.error > 0 else "one fold"
        said = (
            f"{ahead} is ahead of {behind} by {number(100 * self.difference, 2)} points "
            f"({errors}{'' if self.certain else ', within the noise'}; better in "
            f"{self.experiments} of {counted(self.of, 'experiment')}): "
        )
        own, other = (m.summary["train_voxel"][0] for m in (self.behind, self.ahead))
        figures = f"({number(100 * own, 2)} against {number(100 * other, 2)} %)"
        if own < other:
            said += (
                f"{behind} describes its training part better {figures}, so that it follows the "
                "training experiments too closely"
            )
        else:
            said += (
                f"{behind} describes even its training part no better {figures}: it is too stiff"
            )
        return said


def at_the_edge(model: CrossValidated) -> tuple[str, int] | None:
    """Name of the parameter, and in how many folds its least or largest candidate was chosen."""
    if not model.parameter:
        return None
    values = getattr(model, model.parameter)
    computed = values[np.isfinite(model.inner_error).any(axis=0)]
    chosen = values[model.chosen]
    count = int(np.isin(chosen, (np.nanmin(computed), np.nanmax(computed))).sum())
    name = {"smoothness": "λ", "bandwidth": "bandwidth"}[model.parameter]
    return (name, count) if count else None


def violations(models: Sequence[CrossValidated]) -> list[Violation]:
    """Pairs of neighbouring steps of the expected order that are the other way round.

    Steps of which no model was fitted are left out.
    """
    known = {m.name: m for m in models if np.isfinite(m.error["test_voxel"]).any()}
    steps = [[known[name] for name in step if name in known] for step in EXPECTED]
    steps = [step for step in steps if step]
    found = []
    for better, worse in pairwise(steps):
        for behind in better:
            for ahead in worse:
                gains = behind.error["test_voxel"] - ahead.error["test_voxel"]
                gains = gains[np.isfinite(gains)]
                if not gains.size or gains.mean() <= 0:
                    continue
                error = gains.std(ddof=1) / np.sqrt(gains.size) if gains.size > 1 else np.nan
                each = ahead.experiment_error < behind.experiment_error
                found.append(
                    Violation(behind, ahead, float(gains.mean()), float(error), int(each.sum()),
                              len(each))
                )  # fmt: skip
    return found


def explanation(models: Sequence[CrossValidated], facts: Facts | None = None) -> list[str]:
    """Sentences on the order of the models, and on the data.

    Parameters
    ----------
    models : sequence of CrossValidated
    facts : Facts, optional
        Of the experiments.

    Returns
    -------
    list of str
    """
    found = violations(models)
    names = [
        " and ".join(model_name(m) for m in step if any(m == model.name for model in models))
        for step in EXPECTED
    ]
    order = ", ".join(name for name in names if name)
    lines = []
    if found:
        lines = [f"Expected ({order}), but " + "; ".join(str(one) for one in found) + "."]
    elif sum(map(bool, names)) > 1:
        lines = [f"All models are in the expected order ({order})."]
    edges = [(model, at_the_edge(model)) for model in models]
    said = [
        f"{model_name(model.name)} ({edge[0]}, {edge[1]} of {counted(len(model.chosen), 'fold')})"
        for model, edge in edges
        if edge
    ]
    if said:
        lines.append(
            f"Chosen at the edge of what was tried: {', '.join(said)}; a wider smoothing_grid or "
            "bandwidth_grid (section connectome) may do better."
        )
    return lines + ([f"Data: {facts}"] if facts is not None else [])
