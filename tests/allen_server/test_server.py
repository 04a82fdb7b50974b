"""The server itself: the form of its answers is that of the services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.allen_server import AllenServer, Fault, rma, serve, write_world


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllenServer]:
    with serve(write_world(tmp_path_factory.mktemp("world"))) as running:
        yield running


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=5)


def ask(server: AllenServer, query: str) -> dict:
    return get(f"{server.url}/api/v2/data/query.json?q={quote(query)}").json()


def test_it_is_reached_from_this_machine_only(server: AllenServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_the_envelope(server: AllenServer) -> None:
    envelope = ask(server, "model::ApiConnectivity,rma::options[num_rows$eq2][start_row$eq1]")
    assert list(envelope) == ["success", "id", "start_row", "num_rows", "total_rows", "msg"]
    assert envelope["success"] is True
    assert (envelope["start_row"], envelope["num_rows"], envelope["total_rows"]) == (1, 2, 6)
    assert len(envelope["msg"]) == 2


def test_rows_are_fifty_unless_all_are_asked_for(server: AllenServer) -> None:
    assert len(ask(server, "model::ApiCamCellMetric")["msg"]) == 50
    every = ask(server, "model::ApiCamCellMetric,rma::options[num_rows$eq'all']")
    assert len(every["msg"]) == every["total_rows"] == 2200


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("[id$eq385]", ["VISp"]),
        ("[id$in385,409]", ["VISl", "VISp"]),
        ("[acronym$il'VIS*']", ["VIS", "VISal", "VISl", "VISp"]),
        ("[acronym$eq'VISp'][graph_id$eq1]", ["VISp"]),
        ("[graph_order$gt600][graph_order$lt650]", ["BS", "TH"]),
        ("[failed$eqtrue]", []),
        ("structure_sets[id$eq514166994],[id$ne669]", ["VISal", "VISl", "VISp"]),
    ],
)
def test_criteria(criteria: str, expected: list[str], server: AllenServer) -> None:
    query = f"model::Structure,rma::criteria,{criteria},rma::options[num_rows$eq'all']"
    assert sorted(row["acronym"] for row in ask(server, query)["msg"]) == expected


def test_associations_come_only_when_included(server: AllenServer) -> None:
    plain = ask(server, "model::OphysExperiment[id$eq501271265]")["msg"][0]
    assert "specimen" not in plain
    assert "well_known_files" not in plain
    include = "rma::include,specimen(donor(age)),well_known_files(well_known_file_type)"
    row = ask(server, f"model::OphysExperiment[id$eq501271265],{include}")["msg"][0]
    assert row["specimen"]["donor"]["age"]["days"] == 60
    assert "transgenic_lines" not in row["specimen"]["donor"]
    names = [file["well_known_file_type"]["name"] for file in row["well_known_files"]]
    assert names == ["NWBOphys", "ObservatoryEventsFile"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "model::Nothing",
        "service::mouse_connectivity_injection_structure[injection_structures$eqVISp]",
        "model::Structure,rma::criteria,[nothing$eq1]",
        "model::Structure,rma::include,nothing",
        "model::Structure,rma::criteria,[id$eq385",
        "model::Structure,rma::options[order$eq'nothing']",
        "model::Structure,nonsense",
    ],
)
def test_what_is_not_understood_is_refused_with_status_200(query: str, server: AllenServer) -> None:
    answer = get(f"{server.url}/api/v2/data/query.json?q={quote(query)}")
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert isinstance(answer.json()["msg"], str)


def test_names_of_columns_may_have_their_table(server: AllenServer) -> None:
    query = "model::Structure,rma::options[order$eqstructures.graph_order$desc][num_rows$eq1]"
    assert ask(server, query)["msg"][0]["acronym"] == "LGd"


def test_brackets_and_quotes_may_hold_commas() -> None:
    parts = rma.split_outside_brackets("a[b$in1,2],'c,d',e(f,g(h,i))")
    assert parts == ["a[b$in1,2]", "'c,d'", "e(f,g(h,i))"]
    with pytest.raises(rma.RmaError, match="unbalanced"):
        rma.split_outside_brackets("a[b")


def test_ranges(server: AllenServer) -> None:
    url = f"{server.url}/informatics-archive/current-release/mouse_ccf/"
    url += "annotation/ccf_2017/annotation_100.nrrd"
    whole = get(url)
    etag, size = whole.headers["ETag"], len(whole.content)
    part = get(url, Range="bytes=100-")
    assert (part.status_code, part.content) == (206, whole.content[100:])
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert get(url, **{"Range": "bytes=5-9", "If-Range": etag}).content == whole.content[5:10]
    other = get(url, **{"Range": "bytes=5-9", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    beyond = get(url, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    head = requests.head(url, timeout=5)
    assert (head.headers["Content-Length"], head.content) == (str(size), b"")


def test_the_bucket_by_path_and_by_host(server: AllenServer) -> None:
    key = "/visual-coding-2p/ophys_experiment_data/501271265.nwb"
    by_path = get(server.bucket_url + key)
    by_host = get(server.url + key, Host="allen-brain-observatory.s3.us-west-2.amazonaws.com")
    assert by_path.status_code == by_host.status_code == 200
    assert by_path.content == by_host.content
    assert by_path.headers["Server"] == "AmazonS3"
    assert get(server.url + key).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/grid_data/download_file/1?image=data_mask&resolution=100",
        "/grid_data/download_file/180296424?image=data_mask&resolution=25",
        "/api/v2/well_known_file_download/1",
        "/informatics-archive/current-release/mouse_ccf/../../secret",
        "/",
    ],
)
def test_what_is_not_there(path: str, server: AllenServer) -> None:
    assert get(server.url + path).status_code == 404


def test_as_a_proxy_it_answers_for_the_services_only(server: AllenServer) -> None:
    proxies = {"http": server.url}
    mask = "http://api.brain-map.org/grid_data/download_file/180296424?image=data_mask"
    assert requests.get(mask, proxies=proxies, timeout=5).status_code == 200
    assert requests.get("http://example.org/", proxies=proxies, timeout=5).status_code == 502


def test_faults_can_be_set_from_another_process(server: AllenServer) -> None:
    rules = [{"kind": "status", "code": 503, "times": 1}]
    requests.post(f"{server.url}/__faults__", data=json.dumps(rules), timeout=5)
    assert get(server.bucket_url).status_code == 503
    assert get(server.bucket_url).status_code == 404
    noted = get(f"{server.url}/__requests__").json()
    assert [request["fault"] for request in noted] == ["status", None]
    with pytest.raises(ValueError, match="no fault of kind"):
        Fault("unheard of")


def test_a_folder_without_recordings_can_be_served(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert ask(server, "model::ApiConnectivity")["total_rows"] == 0
