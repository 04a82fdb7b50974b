"""The homogeneous model on the 469 real experiments of Oh et al. (2014), beside their own fit.

Nonnegative least squares of the normalised projection volumes in 295 structures x 2 hemispheres
on the injections, which are assigned to structures by the names of primary and secondary ones.
Errors of the nested cross-validation, and how the weights differ from the published ones.

Run ``python benchmarks/oh2014.py`` from the root of the project; it writes ``oh2014.txt`` beside
itself. It needs Supplementary Table 2 of Oh et al. (``MESOMODE_SHARED``, or ``../shared``), and,
for the comparison, their weights: Supplementary Table 3 there, or ``--published FOLDER`` with
``W_ipsi.csv`` and ``W_contra.csv`` of github.com/AllenBrainAtlas/friday-harbor (``linear_model``),
which hold the same numbers.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesomode.connectome.cross_validation import (
    Measured,
    cross_validate,
    nested_folds,
    path_of,
    summarise,
)
from mesomode.connectome.scores import relative_error
from tests.connectome.test_oh2014 import Oh

ROOT = Path(__file__).resolve().parents[1]
SHARES = (1.0, 0.8, 0.6)
REASONS = """\
Why the fits differ:
- Oh et al. knew the volume of each injection in every structure. The table has names only, so
  that the share of the primary structure is assumed here; hence the error of their weights on
  this X, which is not the X that they were fitted to.
- Zeros: it is sharing the injection among structures that turns weights off. An average of
  nonnegative data, which the fit is where each experiment injects one structure, has none.
- Sources: they kept 213 structures, of which some were never a primary one. Here these are left
  out: they enter as secondary structures only, at assumed shares, and cannot be told apart.
- They counted the signal in the injected structure itself; here it is unobserved, since axons
  cannot be told from cell bodies there. Hence the diagonal is not compared.
- Theirs was fitted without a held-out error; their P values have no counterpart here.
"""


def published(shared: Path, folder: Path | None) -> dict[str, np.ndarray] | None:
    """W_ipsi, W_contra (source, target) and the names of the structures, if they are there."""
    if folder is not None:
        table = {}
        for name in ("W_ipsi", "W_contra"):
            with (folder / f"{name}.csv").open() as file:
                header, *rows = csv.reader(file)
            table[name] = np.array([[float(v) for v in row[1:]] for row in rows])
            table["names"] = np.array([row[0] for row in rows])
            assert header[1:] == table["names"].tolist()
        return table
    file = shared / "oh2014" / "oh2014_S3_linear_model.npz"
    return dict(np.load(file)) if file.is_file() else None


def everything(oh: Oh) -> list[str]:
    """Fits to all experiments, share by share."""
    lines = ["share of the    MSE_rel of the fit     zeros among the weights",
             "primary         to all experiments     ipsilateral  contralateral"]  # fmt: skip
    for share in SHARES:
        X = oh.injection(share, oh.sources)
        model = oh.fit(X)
        weights = model.regional_weights_
        error = float(relative_error(model.predict(X), oh.projection, oh.observed))
        zeros = [(part == 0).mean() for part in (weights[:295], weights[295:])]
        lines.append(f"{share:7.1f} {error:24.3f} {zeros[0]:21.1%} {zeros[1]:14.1%}")
    return lines


def validated(oh: Oh) -> list[str]:
    """Nested cross-validation."""
    folds = nested_folds(oh.main, 5, 5, np.random.default_rng(0))

    def fit_predict(train: np.ndarray, share: float) -> np.ndarray:
        X = oh.injection(share, oh.sources)
        return oh.fit(X, train).predict(X).T

    measured = Measured(oh.projection.T, oh.observed.T, np.arange(590))
    start = time.process_time()
    results = cross_validate(path_of(fit_predict), measured, folds, SHARES)
    summary = summarise(results)
    each = np.nanmax([result.experiment_error for result in results], axis=0)
    alone = np.bincount(oh.main)[oh.main] == 1
    return [
        "Nested cross-validation, 5 x 5 folds stratified by primary structure, shares "
        f"{', '.join(map(str, SHARES))} ({time.process_time() - start:.0f} CPU s):",
        *(
            f"  {name.replace('_voxel', ''):5} MSE_rel {100 * mean:5.1f} +- {100 * error:.1f} %"
            for name, (mean, error) in summary.items()
            if name.endswith("voxel")
        ),
        "  test error of each fold: "
        + ", ".join(f"{100 * result.test_voxel:.1f}" for result in results)
        + "; chosen shares "
        + ", ".join(str(SHARES[result.chosen]) for result in results),
        f"  median over experiments {np.median(each[~alone]):.3f}; {alone.sum()} experiments are "
        "the only one of their primary structure: nothing was learnt of it (error 2, predicted 0)",
    ]


def beside(oh: Oh, table: dict[str, np.ndarray]) -> list[str]:
    """Our weights and the published ones."""
    place = [oh.structures.index(str(name).strip()) for name in table["names"]]
    primary = np.isin(place, oh.main)
    lines = [
        f"Beside the published weights ({len(place)} structures; {primary.sum()} of them are "
        "primary in some experiment; without the diagonal where ipsilateral):",
        "share  side    zeros: ours  theirs   both > 0: log r   median ours/theirs   rank corr.",
    ]
    for share in SHARES:
        weights = oh.fit(oh.injection(share)).regional_weights_
        for name, rows in (("W_ipsi", weights[:295]), ("W_contra", weights[295:])):
            theirs = table[name][primary]
            ours = rows[place][:, place].T[primary]
            kept = np.ones(ours.shape, bool)
            if name == "W_ipsi":
                kept = ~np.eye(len(place), dtype=bool)[primary]
            both = kept & (ours > 0) & (theirs > 0)
            correlation = np.corrcoef(np.log10(ours[both]), np.log10(theirs[both]))[0, 1]
            lines.append(
                f"{share:5.1f}  {name[2:]:7} {(ours[kept] == 0).mean():11.1%} "
                f"{(theirs[kept] == 0).mean():7.1%} {correlation:17.2f} "
                f"{np.median(ours[both] / theirs[both]):20.2f} "
                f"{spearmanr(ours[kept], theirs[kept])[0]:12.2f}"
            )
    target = np.concatenate([place, np.array(place) + 295])
    theirs = np.concatenate([table["W_ipsi"], table["W_contra"]], axis=1)  # (source, target)
    for share in SHARES:
        X = oh.injection(share)[:, place]
        error = relative_error(X @ theirs, oh.projection[:, target], oh.observed[:, target])
        lines.append(f"MSE_rel of their weights on our X, share {share}: {float(error):.2f}")
    diagonal = np.diag(table["W_ipsi"])
    lines.append(f"{(diagonal > 0).mean():.0%} of their ipsilateral diagonal is positive")
    return lines


def main() -> None:
    """Write the text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, help="folder of W_ipsi.csv and W_contra.csv")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("MESOMODE_SHARED", ROOT.parent / "shared")) / "data"
    oh, table = Oh(shared), published(shared, arguments.published)
    lines = [
        f"Oh et al. (2014), Supplementary Table 2: {len(oh.primary)} experiments, 295 structures "
        f"x 2 hemispheres; {len(oh.sources)} structures are primary in some experiment",
        f"{(~oh.observed).sum()} of {oh.observed.size} projections unobserved: those in the "
        "injected structures, and the table's -1",
        "",
        *everything(oh),
        "",
        *validated(oh),
        "",
        *(["The published weights are absent."] if table is None else beside(oh, table)),
        "",
        REASONS,
    ]
    text = "\n".join(lines)
    print(text)
    Path(__file__).with_suffix(".txt").write_text(text)


if __name__ == "__main__":
    main()
