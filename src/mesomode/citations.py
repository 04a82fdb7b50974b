"""What has to be cited and respected when data of a source are used."""

from __future__ import annotations

ALLEN_CITATION = (
    "Allen Mouse Brain Connectivity Atlas, connectivity.brain-map.org (Oh et al. 2014, Nature "
    "508:207, doi:10.1038/nature13186); CCFv3 (Wang et al. 2020, Cell 181:936, "
    "doi:10.1016/j.cell.2020.04.007); Allen Brain Observatory Visual Coding 2P, "
    "observatory.brain-map.org (de Vries et al. 2020, Nat Neurosci 23:138, "
    "doi:10.1038/s41593-019-0550-9); Allen SDK."
)
ALLEN_TERMS = (
    "Allen Institute Terms of Use (alleninstitute.org/legal/terms-use/): free for research and "
    "other non-commercial use; citation is mandatory "
    "(alleninstitute.org/legal/citation-policy/); no redistribution for commercial purposes."
)


def data_terms(source: str) -> dict[str, str]:
    """Attributes that every store made from a source carries.

    Parameters
    ----------
    source : str
        ``"allen"``, ``"phantom"`` or ``"own"``, a recording of the user's own.
    """
    if source == "allen":
        return {
            "data_source": "Allen Institute for Brain Science",
            "data_citation": ALLEN_CITATION,
            "data_terms": ALLEN_TERMS,
        }
    if source == "own":
        return {
            "data_source": "a recording of the user's own",
            "data_citation": "not given (recordings.files, `citation`)",
            "data_terms": "those of whoever recorded it",
        }
    return {
        "data_source": "synthetic (mesomode phantom)",
        "data_citation": "synthetic data made by mesomode; cite mesomode",
        "data_terms": "no restriction",
    }
