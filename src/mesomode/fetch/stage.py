"""Steps of the stage ``fetch``: the only ones that may use the network."""

from __future__ import annotations

import json
from typing import Any

from mesomode.errors import ConfigError
from mesomode.fetch.settings import Settings
from mesomode.files import write_json
from mesomode.steps import Output, logger, step


@step
def fetch_tracing(*, out: Output, settings: Settings, access: str = "{}") -> None:
    """Download the tracer experiments, the atlas and the ontology.

    They are kept in the folder ``connectivity`` beside ``out``, laid out as
    allensdk's MouseConnectivityCache expects; what is there and sound is left alone.

    Parameters
    ----------
    out : Path
        The manifest (JSON): the experiments wanted, and each file with its path
        relative to the manifest's folder, size, digest and address.
    settings : Settings
        What is wanted.
    access : str
        The config section ``access`` as JSON: how the network is reached.
    """
    from mesomode.fetch.priming import prime_connectivity

    if settings.regions is None:
        raise ConfigError(
            "the regions whose tracer experiments are wanted are not given",
            where="config key fetch.regions",
            remedy="name some; in the pipeline, null means those of atlas.regions",
        )
    manifest = prime_connectivity(
        _leave(access),
        out.parent,
        settings.resolution_um,
        settings.regions,
        settings.transgenic_lines,
    )
    write_json(out, manifest)
    logger.info("%d tracer experiments", len(manifest["experiments"]))


@step
def fetch_recordings(*, out: Output, settings: Settings, access: str = "{}") -> None:
    """Download the two-photon recordings.

    They are kept in the folder ``observatory`` beside ``out``, laid out as
    allensdk's BrainObservatoryCache expects; what is there and sound is left alone.

    Parameters
    ----------
    out : Path
        The manifest (JSON): the sessions wanted, and each file with its path
        relative to the manifest's folder, size, digest and address.
    settings : Settings
        What is wanted.
    access : str
        The config section ``access`` as JSON: how the network is reached.
    """
    from mesomode.fetch.priming import prime_observatory

    manifest = prime_observatory(
        _leave(access), out.parent, settings.sessions, settings.cell_specimens
    )
    write_json(out, manifest)
    for session in manifest["sessions"]:
        if session["events"] is None:
            logger.warning("session %d has no file of events", session["experiment_id"])


def _leave(access: str) -> Any:
    """Leave to use the network, by the config section ``access`` given as JSON."""
    from mesomode.access.network import Access
    from mesomode.access.settings import Settings as AccessSettings
    from mesomode.config import validated

    try:
        values = json.loads(access)
    except ValueError as error:
        raise ConfigError(
            "the access settings are not JSON", where="--access", why=str(error)
        ) from error
    return Access(validated(AccessSettings, values, "config section access"))
