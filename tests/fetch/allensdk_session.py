"""Run by the interpreter of the allensdk environment: the unmodified SDK at work.

Usage: allensdk_session.py TASK CACHE_FOLDER RESULT_FILE [SERVER]
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import sys
import urllib.request
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from allensdk.core.brain_observatory_cache import BrainObservatoryCache  # noqa: E402
from allensdk.core.mouse_connectivity_cache import MouseConnectivityCache  # noqa: E402

logging.disable(logging.CRITICAL)

EXPERIMENT, SESSION = 180296424, 501271265


def digest(array):
    array = np.ascontiguousarray(array)
    content = hashlib.sha256(array.tobytes()).hexdigest()
    return [array.dtype.name, list(array.shape), content]


def caches(folder, base=None):
    options = {} if base is None else {"base_uri": base}
    manifest = str(folder / "connectivity/manifest.json")
    connectivity = MouseConnectivityCache(resolution=100, manifest_file=manifest, **options)
    if base is not None:  # not derived from base_uri by the SDK
        connectivity.api.informatics_archive_endpoint = base + "/informatics-archive"
    manifest = str(folder / "observatory/manifest.json")
    observatory = BrainObservatoryCache(manifest_file=manifest, **options)
    return connectivity, observatory


def read_all(folder, base=None):
    """Everything that the project uses of the SDK, as digests and plain values."""
    connectivity, observatory = caches(folder, base)
    tree = connectivity.get_structure_tree()
    result = {
        "experiments": connectivity.get_experiments(),
        "wild type": [e["id"] for e in connectivity.get_experiments(cre=False)],
        "line": [e["id"] for e in connectivity.get_experiments(cre=["tlx3-CRE_PL56"])],
        "in VIS": [e["id"] for e in connectivity.get_experiments(injection_structure_ids=[669])],
        "VISp": tree.get_structures_by_acronym(["VISp"])[0],
        "structures": len(tree.nodes()),
        "within VIS": sorted(s for s in tree.descendant_ids([669])[0]),
        "annotation": digest(connectivity.get_annotation_volume()[0]),
        "template": digest(connectivity.get_template_volume()[0]),
        "injection_density": digest(connectivity.get_injection_density(EXPERIMENT)[0]),
        "injection_fraction": digest(connectivity.get_injection_fraction(EXPERIMENT)[0]),
        "projection_density": digest(connectivity.get_projection_density(EXPERIMENT)[0]),
        "data_mask": digest(connectivity.get_data_mask(EXPERIMENT)[0]),
        "containers": sorted(c["id"] for c in observatory.get_experiment_containers()),
        "cells": len(observatory.get_cell_specimens()),
    }
    data = observatory.get_ophys_experiment_data(SESSION)
    times, dff = data.get_dff_traces()
    speed, _ = data.get_running_speed()
    gratings = data.get_stimulus_table("drifting_gratings")
    return {
        **result,
        "metadata": {
            key: data.get_metadata()[key]
            for key in ("ophys_experiment_id", "session_type", "targeted_structure", "cre_line")
        },
        "times": digest(times),
        "dff": digest(dff),
        "fluorescence": digest(data.get_corrected_fluorescence_traces()[1]),
        "cell ids": [int(i) for i in data.get_cell_specimen_ids()],
        "speed": [int(np.isnan(speed).sum()), len(speed)],
        "stimuli": sorted(data.list_stimuli()),
        "gratings": digest(gratings[["temporal_frequency", "orientation"]].to_numpy()),
        "epochs": len(data.get_stimulus_epoch_table()),
        "events": digest(observatory.get_ophys_experiment_events(SESSION)),
    }


def online(folder, _):
    """The default addresses, by the environment variable http_proxy only."""
    result = read_all(folder)
    _, observatory = caches(folder)
    result["sessions"] = sorted(e["id"] for e in observatory.get_ophys_experiments())
    failures = {}
    for name, ask in (
        ("behaviour session", lambda: observatory.get_ophys_experiment_data(991852000)),
        ("absent events", lambda: observatory.get_ophys_experiment_events(501704220)),
    ):
        try:
            ask()
        except Exception as error:
            failures[name] = str(error)
    return {**result, "failures": failures}


def offline(folder, _):
    """A primed cache, with a dead address and a guard on every connection."""
    attempts = []

    def refuse(self, address):
        attempts.append(str(address))
        raise OSError("the network is shut")

    socket.socket.connect = refuse
    socket.socket.connect_ex = refuse
    result = read_all(folder, "http://127.0.0.1:9")
    result["attempts"] = list(attempts)
    _, observatory = caches(folder, "http://127.0.0.1:9")
    try:
        observatory.get_ophys_experiments()
    except Exception as error:
        result["get_ophys_experiments"] = str(error)
    return result


CALLS = {
    "experiments": lambda c, o: len(c.get_experiments()),
    "cells": lambda c, o: len(o.get_cell_specimens(include_failed=True)),
    "volume": lambda c, o: digest(c.get_projection_density(EXPERIMENT)[0]),
    "recording": lambda c, o: digest(o.get_ophys_experiment_data(SESSION).get_dff_traces()[1]),
}


def faults(folder, server):
    """Each fault once, then a healthy call on the same cache: outcomes of both."""
    outcomes = {}
    for number, (call, rule) in enumerate(json.loads((folder / "rules.json").read_text())):
        pair = []
        for rules in ([rule], []):
            body = json.dumps(rules).encode()
            urllib.request.urlopen(server + "/__faults__", data=body, timeout=10).close()
            try:
                pair.append(["ok", CALLS[call](*caches(folder / str(number), server))])
            except Exception as error:
                pair.append(["error", type(error).__name__])
        outcomes[f"{call}, {rule['kind']}"] = pair
    return outcomes


def one_volume(folder, server):
    """A single download, to be killed."""
    connectivity, _ = caches(folder, server)
    return digest(connectivity.get_projection_density(EXPERIMENT)[0])


if __name__ == "__main__":
    task, folder, result_file, *server = sys.argv[1:]
    tasks = {"online": online, "offline": offline, "faults": faults, "one_volume": one_volume}
    outcome = tasks[task](Path(folder), server[0] if server else None)
    Path(result_file).write_text(json.dumps(outcome))
