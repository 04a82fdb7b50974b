"""Queries give whole lists, or an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mesomode.access.network import Access
from mesomode.access.parts import fault_of, record_of
from mesomode.errors import FetchError, OfflineError
from mesomode.fetch.catalogue import CELLS, EXPERIMENTS, STRUCTURES
from mesomode.fetch.rma import Query, download_rows, pages
from tests.allen_server import AllenServer, Fault

BY_FOURS = replace(EXPERIMENTS, order="data_set_id", page_rows=4)


def test_pages_are_asked_for_by_order_and_count(
    server: AllenServer, leave: Callable[..., Access]
) -> None:
    sizes = [len(rows) for rows in pages(leave(), server.url, replace(CELLS, page_rows=900))]
    assert sizes == [900, 900, 400]
    assert [request.decoded for request in server.requests] == [
        "/api/v2/data/query.json?q=model::ApiCamCellMetric,rma::options[num_rows$eq900]"
        f"[start_row$eq{start}][order$eq'cell_specimen_id']"
        for start in (0, 900, 1800)
    ]


@pytest.mark.parametrize("page_rows", [550, 1100, 2200, 5000])
def test_a_last_page_that_is_full_needs_no_empty_one(
    page_rows: int, server: AllenServer, leave: Callable[..., Access]
) -> None:
    query = replace(CELLS, page_rows=page_rows)
    rows = [row for page in pages(leave(), server.url, query) for row in page]
    assert len({row["cell_specimen_id"] for row in rows}) == 2200
    assert len(server.requests) == -(-2200 // page_rows)


def test_the_list_on_disk_is_the_list_served(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    path = tmp_path / "experiments.json"
    download_rows(leave(), server.url, EXPERIMENTS, path)
    served = json.loads((world / "connectivity/experiments.json").read_text())
    assert json.loads(path.read_text()) == sorted(served, key=lambda row: row["data_set_id"])
    assert record_of(path)["url"] == EXPERIMENTS.url(server.url, 0)
    server.misbehave()
    download_rows(leave(), server.url, EXPERIMENTS, path)
    assert server.requests == []
    path.write_text(path.read_text().replace("993", "994"))
    assert fault_of(path) == "has changed since it was downloaded"
    download_rows(leave(), server.url, EXPERIMENTS, path)
    assert json.loads(path.read_text()) == sorted(served, key=lambda row: row["data_set_id"])


def test_fewer_rows_than_are_known_to_exist_are_not_believed(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match="the server has 6 ApiConnectivity, fewer than 2900"):
        download_rows(
            leave(retries=1), server.url, replace(EXPERIMENTS, fewest=2900), tmp_path / "list.json"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_comes_twice_is_noticed(
    server: AllenServer, leave: Callable[..., Access], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = server.tables["ApiConnectivity"]
    monkeypatch.setitem(server.tables, "ApiConnectivity", [*rows, rows[2]])
    with pytest.raises(FetchError, match="has a record twice") as caught:
        list(pages(leave(), server.url, BY_FOURS))
    assert str(rows[2]["data_set_id"]) in str(caught.value)


def test_a_list_that_changes_while_it_is_read_is_noticed(
    server: AllenServer, leave: Callable[..., Access], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = pages(leave(retries=1), server.url, BY_FOURS)
    assert len(next(reading)) == 4
    rows = server.tables["ApiConnectivity"]
    monkeypatch.setitem(server.tables, "ApiConnectivity", rows[:5])
    with pytest.raises(FetchError, match="changed from 6 to 5"):
        next(reading)


def test_records_without_what_is_needed_are_refused(
    server: AllenServer, leave: Callable[..., Access]
) -> None:
    query = replace(EXPERIMENTS, required=("injection_structures", "colour"))
    with pytest.raises(FetchError, match="a record of ApiConnectivity lacks colour"):
        list(pages(leave(retries=0), server.url, query))


def test_a_query_that_the_server_does_not_know(
    server: AllenServer, leave: Callable[..., Access]
) -> None:
    with pytest.raises(FetchError, match="uninitialized constant Nothing"):
        list(pages(leave(retries=0), server.url, Query("Nothing", "id")))


def test_offline(server: AllenServer, leave: Callable[..., Access], tmp_path: Path) -> None:
    path = tmp_path / "structures.json"
    with pytest.raises(OfflineError, match="1 file would have to be downloaded"):
        download_rows(leave(offline=True), server.url, STRUCTURES, path)
    download_rows(leave(), server.url, STRUCTURES, path)
    server.misbehave(Fault("status", times=-1))
    download_rows(leave(offline=True), server.url, STRUCTURES, path)
    assert server.requests == []
