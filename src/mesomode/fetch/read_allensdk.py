"""The reader ``allensdk``: a script run with the interpreter of the allensdk environment.

``python read_allensdk.py tracing MANIFEST OUT`` or ``… session MANIFEST OUT ID``. It reads caches
that are already filled, with the network shut, and writes the same neutral files as the reader
``direct``. Lines on the standard error are messages; one that starts with ``ERROR`` holds JSON.
"""

# mypy: ignore-errors

import json
import logging
import socket
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

import h5py
import numpy as np
from neutral import (
    CELL_LIST,
    IMAGES,
    Unreadable,
    published_metrics,
    region_of,
    write_connectivity,
    write_session,
)


def shut_the_network():
    """Make every attempt to reach another machine an error."""

    def refuse(*arguments, **_):
        raise ConnectionError(f"allensdk tried to use the network: {arguments[-1:]}")

    socket.socket.connect = refuse
    socket.socket.connect_ex = refuse
    socket.create_connection = refuse
    socket.getaddrinfo = refuse


def say(message):
    """Write one line for the log of the step that started this script."""
    print(message, file=sys.stderr, flush=True)


def mirrored(folder, scratch):
    """Folder of links to a cache: the SDK writes its manifest here, not among the raw files."""
    for path in folder.iterdir():
        if path.name != "manifest.json":
            (Path(scratch) / path.name).symlink_to(path)
    return str(Path(scratch) / "manifest.json")


def read_tracing(root, manifest, out, scratch):
    """Read the tracer experiments with `MouseConnectivityCache`."""
    from allensdk.core.mouse_connectivity_cache import MouseConnectivityCache

    cache = MouseConnectivityCache(
        resolution=manifest["resolution_um"],
        manifest_file=mirrored(root / "connectivity", scratch),
    )

    def volume(method, *arguments):
        def read():
            try:
                return getattr(cache, method)(*arguments)[0]
            except Exception as error:
                where = " ".join(map(str, (method, *arguments)))
                raise Unreadable("a volume cannot be read", where, str(error)) from error

        return read

    method = {image: f"get_{image}" for image in IMAGES}
    write_connectivity(
        out,
        source=manifest["source"],
        reader="allensdk",
        resolution_um=manifest["resolution_um"],
        structures=cache.get_structure_tree().nodes(),
        experiments=cache.get_experiments(),
        annotation=volume("get_annotation_volume"),
        template=volume("get_template_volume"),
        volumes={
            identifier: {image: volume(method[image], identifier) for image in IMAGES}
            for identifier in manifest["experiments"]
        },
        say=say,
    )


def read_session(root, manifest, session, out, scratch):
    """Read one session with `BrainObservatoryCache`."""
    from allensdk.core.brain_observatory_cache import BrainObservatoryCache

    entry = next(e for e in manifest["sessions"] if e["experiment_id"] == session)
    cache = BrainObservatoryCache(manifest_file=mirrored(root / "observatory", scratch))
    data = cache.get_ophys_experiment_data(session)
    metadata = data.get_metadata()
    metadata["experiment_id"] = metadata.pop("ophys_experiment_id")
    metadata["container_id"] = metadata.pop("experiment_container_id")
    cells = data.get_cell_specimen_ids()
    separate = len(set(cells.tolist())) == len(cells)

    def rows(get):
        """Trace rows a few cells at a time; all at once where ids are not unique."""
        whole = None if separate else get(None)[1]

        def block(first, last):
            return get(cells[first:last])[1] if separate else whole[first:last]

        return block

    with h5py.File(root / entry["nwb"], "r") as file:
        pipeline = file["processing/brain_observatory_pipeline"]
        demixed = "imaging_plane_1_demixed_signal" in pipeline["Fluorescence"]
        runs = "BehavioralTimeSeries/running_speed" in pipeline
        stacks = [name.removesuffix("_image_stack") for name in file.get("stimulus/templates", ())]
        drawn = pipeline.get("ImageSegmentation/imaging_plane_1", {})
        masks = "roi_list" in drawn and all(
            f"{name.decode()}/img_mask" in drawn for name in drawn["roi_list"][:]
        )
    corrected = demixed or data.pipeline_version.major < 2
    events = None
    if entry["events"] is not None:
        table = cache.get_ophys_experiment_events(session)

        def events(first, last):
            return table[first:last]

    stimuli = {}
    for name in data.list_stimuli():
        frame = data.get_stimulus_table(name)
        stimuli[name] = {column: np.asarray(frame[column]) for column in frame.columns}
    listed = any(record["path"] == CELL_LIST for record in manifest["files"])
    write_session(
        out,
        source=manifest["source"],
        reader="allensdk",
        metadata=metadata,
        cell_specimen_ids=cells,
        roi_ids=data.get_roi_ids(),
        timestamps=data.get_fluorescence_timestamps(),
        traces={
            "dff": rows(data.get_dff_traces),
            "fluorescence": rows(data.get_corrected_fluorescence_traces) if corrected else None,
            "events": events,
        },
        running_speed=data.get_running_speed()[0] if runs else None,
        stimuli=stimuli,
        say=say,
        pupil=pupil_of(data),
        templates={name: template_of(data, name) for name in stacks},
        templates_from=entry["nwb"],
        metrics=published_metrics(root / CELL_LIST, cells) if listed else None,
        regions=[region_of(roi.get_mask_plane()) for roi in data.get_roi_mask()] if masks else None,
    )


def pupil_of(data):
    """What the eye camera saw, as far as it was recorded."""
    from allensdk.brain_observatory.brain_observatory_exceptions import NoEyeTrackingException

    found = {}
    for name, get in (
        ("pupil_size", data.get_pupil_size),
        ("pupil_location", lambda: data.get_pupil_location(as_spherical=False)),
        ("pupil_location_spherical", data.get_pupil_location),
    ):
        try:
            found[name] = get()
        except NoEyeTrackingException:
            continue
    return found


def template_of(data, name):
    """Shape of the images shown, and what gives some of them."""
    images = data.get_stimulus_template(name)
    return images.shape, lambda first, last: images[first:last]


def main(kind, manifest_path, out, session=None):
    """Read, and report what cannot be read as one line of JSON."""
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    shut_the_network()
    root = Path(manifest_path).resolve().parent
    manifest = json.loads(Path(manifest_path).read_text())
    where = root
    try:
        with tempfile.TemporaryDirectory() as scratch:
            if kind == "tracing":
                read_tracing(root, manifest, out, scratch)
            else:
                entries = manifest["sessions"]
                where = next(root / e["nwb"] for e in entries if e["experiment_id"] == int(session))
                read_session(root, manifest, int(session), out, scratch)
    except Unreadable as error:
        say("ERROR " + json.dumps(error.parts))
        return 3
    except Exception as error:
        parts = Unreadable(
            "allensdk cannot read the raw files", where, f"{type(error).__name__}: {error}"
        ).parts
        say("ERROR " + json.dumps(parts))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
