"""Steps of the stage ``fetch``: the only ones that may use the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mesomode.errors import ConfigError
from mesomode.fetch.settings import Settings
from mesomode.files import write_json
from mesomode.phantom.settings import Settings as PhantomSettings
from mesomode.steps import Input, Output, logger, step


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
    with _leave(access) as leave:
        manifest = prime_connectivity(
            leave,
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
    from mesomode.fetch.catalogue import SessionCriteria
    from mesomode.fetch.priming import prime_observatory

    wanted: Sequence[int] | SessionCriteria = settings.sessions or ()
    if settings.sessions is None:
        wanted = SessionCriteria(
            areas=settings.session_areas,
            depths_um=settings.session_depths_um,
            lines=settings.session_lines,
            stimuli=settings.session_stimuli,
            needs=settings.session_needs,
            most=settings.most_sessions,
        )
    with _leave(access) as leave:
        manifest = prime_observatory(leave, out.parent, wanted, settings.cell_specimens)
    write_json(out, manifest)
    if judged := manifest.get("judged"):
        logger.info("%d of %d sessions are wanted", len(manifest["sessions"]), len(judged))
    for session in manifest["sessions"]:
        if session["events"] is None:
            logger.warning("session %d has no file of events", session["experiment_id"])


@step
def phantom_tracing(*, out: Output, settings: PhantomSettings, seed: int) -> None:
    """Make a synthetic brain and tracer experiments with a known answer.

    They are written beside ``out`` exactly as Allen's would be: the folder
    ``connectivity``; and the known answer: ``truth.h5``.

    Parameters
    ----------
    out : Path
        The manifest (JSON), as ``fetch-tracing`` writes it.
    settings : Settings
        The config section ``phantom``.
    seed : int
        The run's seed.
    """
    from mesomode.phantom.raw import write_tracing
    from mesomode.phantom.tracing import make_tracing

    tracing = make_tracing(settings, seed)
    logger.info("%d source voxels, %d experiments", *tracing.injection.shape)
    write_json(out, write_tracing(out.parent, tracing))


@step
def phantom_recordings(*, out: Output, settings: PhantomSettings, seed: int) -> None:
    """Make synthetic two-photon sessions of networks on the phantom's true weights.

    They are written beside ``out`` exactly as Allen's would be: the folder
    ``observatory``; and the networks: ``truth_recordings.h5``.

    Parameters
    ----------
    out : Path
        The manifest (JSON), as ``fetch-recordings`` writes it.
    settings : Settings
        The config section ``phantom``.
    seed : int
        The run's seed; the same one gives the brain of ``phantom-tracing``.
    """
    from mesomode.phantom.raw import write_recordings
    from mesomode.phantom.recordings import make_recordings
    from mesomode.phantom.tracing import make_brain

    _, atlas, region, wiring = make_brain(settings, seed)
    sessions = make_recordings(settings, seed, region, wiring)
    for session in sessions:
        logger.info("session %d: %d cells, %d frames", session.identifier, *session.dff.shape)
    write_json(out, write_recordings(out.parent, sessions, atlas.structures))


@step
def allensdk_environment(*, lock: Input, out: Output, python: str = "", ready: str = "") -> None:
    """Make the environment of allensdk, or verify one that is ready.

    Parameters
    ----------
    lock : Path
        ``envs/allensdk.lock``: the versions to install.
    out : Path
        File that marks the finished environment, which is made in its folder. It names the
        interpreter and its versions.
    python : str
        Python 3.11 or 3.10 to make it with; empty: one is looked for.
    ready : str
        Interpreter of a ready environment: it is verified, and nothing is made.
    """
    from mesomode.fetch.environment import build_environment, verify_interpreter

    if ready:
        write_json(out, {"interpreter": ready, "versions": verify_interpreter(ready)})
    else:
        made = build_environment(out, lock, logger, python=python)
        logger.info("allensdk %s: %s", made["versions"]["allensdk"], made["interpreter"])


@step
def read_tracing(
    *, manifest: Input, out: Output, reader: str = "direct", allensdk_python: str = ""
) -> None:
    """Read the tracer experiments of a manifest into one neutral HDF5 file.

    Parameters
    ----------
    manifest : Path
        ``tracing.json`` in the folder of the raw data; their digests are verified first.
    out : Path
        ``connectivity.h5``.
    reader : str
        ``direct``: pynrrd and h5py; ``allensdk``: the SDK, in an environment of its own.
    allensdk_python : str
        Interpreter of that environment.
    """
    from mesomode.fetch.reading import read_raw

    read_raw(manifest, out, reader, allensdk_python, logger)


@step
def read_recordings(
    *,
    manifest: Input,
    session: int,
    out: Output,
    reader: str = "direct",
    allensdk_python: str = "",
) -> None:
    """Read one two-photon session of a manifest into one neutral HDF5 file.

    Parameters
    ----------
    manifest : Path
        ``recordings.json`` in the folder of the raw data; the digests of the session's files
        are verified first.
    session : int
        Id of the ophys experiment.
    out : Path
        ``session_<id>.h5``.
    reader : str
        ``direct``: h5py; ``allensdk``: the SDK, in an environment of its own.
    allensdk_python : str
        Interpreter of that environment.
    """
    from mesomode.fetch.reading import read_raw

    read_raw(manifest, out, reader, allensdk_python, logger, session)


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
