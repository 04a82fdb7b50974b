"""NWB 1 files as the Allen Brain Observatory's pipeline 3.0 wrote them.

Strings are fixed-length bytes: readers of these files rely on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mesomode.hdf5 import new_hdf5
from mesomode.phantom.recordings import Session
from mesomode.phantom.stimulus import FEATURES

PIPELINE = "processing/brain_observatory_pipeline/"
IMAGE_SIZE = 512
UNITS = {
    "drifting_gratings": ("Hz", "degrees", "n/a"),
    "static_gratings": ("degrees", "cpd", "n/a"),
}


def write_nwb(path: Path, session: Session) -> None:
    """Write a session; the same session gives the same bytes.

    Parameters
    ----------
    path : Path
    session : Session
    """
    with new_hdf5(path) as file:
        _write_general(file, session)
        _write_traces(file, session)
        _write_segmentation(file, session)
        _write_behaviour(file, session)
        _write_stimuli(file, session)


def roi_mask(number: int) -> np.ndarray:
    """Pixels of a cell's region of interest, int32 (pixel, 2) as (x, y): an 8 × 9 rectangle."""
    top, left = 20 + (37 * number) % 450, 20 + (91 * number) % 450
    rows, columns = np.indices((8, 9)).reshape(2, -1)
    return np.column_stack([left + columns, top + rows]).astype(np.int32)


def _put(file: h5py.File, name: str, value: Any, **attributes: Any) -> None:
    if isinstance(value, str):
        value = np.bytes_(value)
    elif isinstance(value, (list, tuple)):
        value = np.array([text.encode() for text in value], dtype="S")
    options: dict[str, Any] = {}
    if isinstance(value, np.ndarray) and value.size > 4096:
        options = {"compression": "gzip", "compression_opts": 2, "shuffle": True}
        if value.ndim == 2 and value.shape[1] > 1024:
            options["chunks"] = (1, min(value.shape[1], 65536))  # a trace at a time
    dataset = file.create_dataset(name, data=value, **options)
    for key, attribute in attributes.items():
        dataset.attrs[key] = attribute


def _write_general(file: h5py.File, session: Session) -> None:
    container, identifier = session.container, session.identifier
    for group in ("acquisition/timeseries", "acquisition/images", "analysis", "epochs"):
        file.require_group(group)
    texts = {
        "identifier": f"mesomode phantom {identifier}",
        "nwb_version": "NWB-1.0.6",
        "session_description": f"synthetic visual response to {session.timetable.session_type}",
        "session_start_time": "Thu Feb  4 10:25:24 2016",
        "general/session_id": f"{identifier}",
        "general/experiment_container_id": f"{container.identifier}",
        "general/ophys_experiment_id": f"{identifier}",
        "general/ophys_experiment_name": f"phantom_{identifier}",
        "general/session_type": session.timetable.session_type,
        "general/specimen_name": f"Cux2-CreERT2;Camk2a-tTA;Ai93-phantom-{container.identifier}",
        "general/fov": "400x400 microns (512 x 512 pixels)",
        "general/pixel_size": "0.78 microns",
        "general/targeted_structure": container.area,
        "general/institution": "mesomode phantom",
        "general/devices/2-photon microscope": (
            "Synthetic multiphoton microscope. CAM2P.0 Please note that no mouse was imaged"
        ),
        "general/subject/age": "104 days",
        "general/subject/sex": "male",
        "general/subject/species": "Mus musculus",
        "general/subject/subject_id": f"{container.identifier}",
        "general/subject/description": "Mus musculus in silico",
        "general/subject/genotype": (
            "Cux2-CreERT2/wt;Camk2a-tTA/wt;Ai93(TITL-GCaMP6f)/Ai93(TITL-GCaMP6f)"
        ),
    }
    plane = "general/optophysiology/imaging_plane_1/"
    texts |= {
        plane + "imaging depth": f"{container.depth_um} microns",
        plane + "location": container.area,
        plane + "excitation_lambda": "910 nanometers",
        plane + "indicator": "GCaMP6f",
        plane + "imaging_rate": "30 Hz",
        plane + "device": "2-photon microscope",
    }
    for name, text in texts.items():
        _put(file, name, text)
    _put(file, "file_create_date", ["Thu Mar  2 10:10:10 2017"])
    # the last entry is what readers take the pipeline's version from
    _put(file, "general/generated_by", ["pipeline", "mesomode phantom", "version", "3.0"])
    _put(file, "acquisition/timeseries/2p_image_series/timestamps", session.timestamps)


def _write_traces(file: h5py.File, session: Session) -> None:
    names = [f"roi_{number:04d}" for number in range(len(session.dff))]
    root = PIPELINE + "Fluorescence/"
    measured, neuropil = root + "imaging_plane_1/", root + "imaging_plane_1_neuropil_response/"
    demixed = root + "imaging_plane_1_demixed_signal/"
    _put(file, measured + "data", np.round(session.fluorescence(), 1), unit=np.bytes_("frame"))
    _put(file, neuropil + "data", session.neuropil, unit=np.bytes_("frame"))
    # no cells overlap: demixing changes nothing
    file.require_group(demixed)
    file[demixed + "data"] = file[measured + "data"]
    file[measured + "neuropil_traces"] = file[neuropil + "data"]
    for group in (measured, neuropil, demixed):
        _put(file, group + "timestamps", session.timestamps, unit=np.bytes_("Seconds"))
        _put(file, group + "roi_names", names)
        _put(file, group + "num_samples", np.int32(len(session.timestamps)))
    for group in (measured, neuropil):
        _put(file, group + "r", session.neuropil_weight)
        _put(file, group + "rmse", np.zeros(len(names)))
    root = PIPELINE + "DfOverF/imaging_plane_1/"
    _put(file, root + "data", session.dff, unit=np.bytes_("frame"))
    _put(file, root + "timestamps", session.timestamps)
    _put(file, root + "roi_names", names)


def _write_segmentation(file: h5py.File, session: Session) -> None:
    root = PIPELINE + "ImageSegmentation/"
    cells = session.cell_specimen_ids
    names = [f"roi_{number:04d}" for number in range(len(cells))]
    _put(file, root + "cell_specimen_ids", cells.astype(np.int64))
    _put(file, root + "roi_ids", [str(1_000_000 + cell % 1_000_000) for cell in cells.tolist()])
    root += "imaging_plane_1/"
    _put(file, root + "roi_list", names)
    _put(file, root + "description", "Segmented ROIs")
    _put(file, root + "imaging_plane_name", "imaging_plane_1")
    brightest = np.full((IMAGE_SIZE, IMAGE_SIZE), 200, dtype=np.uint16)
    for number, name in enumerate(names):
        pixels = roi_mask(int(session.found[number]))
        image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
        image[pixels[:, 1], pixels[:, 0]] = 1
        brightest[image == 1] = 2000
        _put(file, f"{root}{name}/img_mask", image)
        _put(file, f"{root}{name}/pix_mask", pixels)
        _put(file, f"{root}{name}/pix_mask_weight", np.ones(len(pixels)))
        _put(file, f"{root}{name}/roi_description", f"ROI {number}")
    projection = root + "reference_images/maximum_intensity_projection_image/data"
    _put(file, projection, brightest)


def _write_behaviour(file: h5py.File, session: Session) -> None:
    root = PIPELINE + "MotionCorrection/2p_image_series/xy_translation/"
    _put(file, root + "data", np.zeros((len(session.timestamps), 2)))
    _put(file, root + "timestamps", session.timestamps)
    _put(file, root + "feature_description", ["x_motion", "y_motion"])
    root = PIPELINE + "BehavioralTimeSeries/running_speed"
    group = file.create_group(root)
    group.attrs["description"] = np.bytes_("Running speed")
    group.attrs["comments"] = np.bytes_("cm/s")
    if session.eye is not None:
        for name, values in (
            ("PupilTracking/pupil_size", session.eye.size),
            ("EyeTracking/pupil_location", session.eye.location),
            ("EyeTracking/pupil_location_spherical", session.eye.angle),
        ):
            _put(file, f"{PIPELINE}{name}/data", values)
            _put(file, f"{PIPELINE}{name}/timestamps", session.eye.timestamps)
    # measured a few frames shorter than the images, as in the real files
    measured = slice(3, -2)
    _put(file, root + "/data", session.running_speed[measured], unit=np.bytes_("cm/s"))
    _put(file, root + "/timestamps", session.timestamps[measured])


def _write_stimuli(file: h5py.File, session: Session) -> None:
    file.require_group("stimulus/presentation")
    file.require_group("stimulus/templates")
    for name, stimulus in session.timetable.stimuli.items():
        root = f"stimulus/presentation/{name}_stimulus/"
        _put(file, root + "data", stimulus.data)
        _put(file, root + "frame_duration", stimulus.frames)
        _put(file, root + "timestamps", session.timestamps[stimulus.frames[:, 0]])
        _put(file, root + "num_samples", np.int32(len(stimulus.data)))
        if name in FEATURES:
            _put(file, root + "features", FEATURES[name])
            _put(file, root + "feature_units", UNITS[name])
        if stimulus.template is not None:
            root = f"stimulus/templates/{name}_image_stack/"
            scenes = name == "natural_scenes"
            images = stimulus.template.astype(np.float32) if scenes else stimulus.template
            _put(file, root + "data", images)
            _put(file, root + "format", "raw")
            _put(file, root + "dimension", np.array(images.shape[:0:-1], dtype=np.int32))
            _put(file, root + "field_of_view", np.zeros(2))
