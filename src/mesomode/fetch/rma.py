"""Queries of the Allen Institute's API (RMA): whole lists, or an error."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mesomode.access.network import WEB_PAGE, Access, PassingError, is_web_page, refusal
from mesomode.access.parts import fault_of, replacing
from mesomode.errors import FetchError

logger = logging.getLogger("mesomode")

Row = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A list of records of the API.

    Parameters
    ----------
    model : str
        What the records are, for example ``"ApiConnectivity"``.
    key : str
        The attribute that is unique to each record; empty: the whole record is.
    order : str
        The attribute by which the server orders; empty: it does not, and the
        records of each page are put in order here.
    required : tuple of str
        Attributes that every record must have.
    criteria, include : str
        RMA text of the filter and of the associations to join.
    fewest : int
        So many records there must be at least.
    page_rows : int
        So many records are asked for at a time.
    """

    model: str
    key: str = ""
    order: str = ""
    required: tuple[str, ...] = ()
    criteria: str = ""
    include: str = ""
    fewest: int = 1
    page_rows: int = 5000

    def identity(self, row: Row) -> Any:
        """What tells a record from all others."""
        return row[self.key] if self.key else json.dumps(row, sort_keys=True)

    def url(self, api_url: str, start: int) -> str:
        """Address of the page that begins with record ``start``."""
        parts = [f"model::{self.model}"]
        if self.criteria:
            parts += ["rma::criteria", self.criteria]
        if self.include:
            parts += ["rma::include", self.include]
        options = f"[num_rows$eq{self.page_rows}][start_row$eq{start}]"
        options += f"[order$eq'{self.order}']" if self.order else ""
        parts.append("rma::options" + options)
        query = quote(",".join(parts), safe=";/?:@&=+$,")
        return f"{api_url}/api/v2/data/query.json?q={query}"


def pages(access: Access, api_url: str, query: Query) -> Iterator[list[Row]]:
    """All records of a query, a page at a time.

    An answer is believed only if ``success`` is true, ``msg`` is a list of as
    many records as ``total_rows`` lets expect, and ``total_rows`` stays the
    same from page to page. No record may come twice.

    Raises
    ------
    FetchError
        The query was refused, or its answers stayed implausible.
    """
    start, total = 0, None
    seen: set[Any] = set()
    while total is None or start < total:
        url = query.url(api_url, start)
        ask = partial(_page, access, url, query, start, total)
        rows, total = access.persist(url, ask)
        for identity in map(query.identity, rows):
            if identity in seen:
                raise FetchError(
                    f"the list of {query.model} has a record twice",
                    where=url,
                    why=f"{query.key} {identity}: it may have changed while it was read",
                    remedy="try again",
                )
            seen.add(identity)
        yield rows
        start += len(rows)


def _page(
    access: Access, url: str, query: Query, start: int, known_total: int | None
) -> tuple[list[Row], int]:
    """A page of a query, beginning with record ``start``, and how many records there are."""
    with access.get(url) as answer:
        body = b"".join(access.receive(answer))
    if is_web_page(body):
        raise PassingError(WEB_PAGE)
    try:
        envelope = json.loads(body)
    except ValueError as error:
        raise PassingError(f"the answer is not JSON: {error}") from error
    if not isinstance(envelope, dict) or envelope.get("success") is not True:
        message = envelope.get("msg") if isinstance(envelope, dict) else None
        raise PassingError(f"the server refused the query: {message}")
    rows, total = envelope.get("msg"), envelope.get("total_rows")
    if not isinstance(rows, list) or not isinstance(total, int):
        raise PassingError(f"the answer is not a list of {query.model} with a count")
    if total < query.fewest:
        raise PassingError(f"the server has {total} {query.model}, fewer than {query.fewest}")
    if known_total is not None and total != known_total:
        raise PassingError(f"the number of {query.model} changed from {known_total} to {total}")
    expected = min(query.page_rows, total - start)
    if len(rows) != expected:
        raise PassingError(
            f"{len(rows)} {query.model} came where {expected} of {total} were expected"
        )
    for row in rows:
        absent = [name for name in (query.key, *query.required) if name and name not in row]
        if absent:
            raise PassingError(f"a record of {query.model} lacks {', '.join(absent)}")
    return rows if query.order else sorted(rows, key=query.identity), total


def download_rows(
    access: Access,
    api_url: str,
    query: Query,
    path: Path,
    prepare: Callable[[Row], Row] = lambda row: row,
) -> None:
    """Make sure that the whole list of a query is there as JSON, asking for it if not.

    Parameters
    ----------
    access : Access
        Leave to use the network.
    api_url : str
        Address of the API.
    query : Query
        The list wanted.
    path : Path
        The file to write. It is written page by page: memory holds one page.
    prepare : callable, optional
        Applied to each record before it is written; raises :class:`DataError`
        where a record cannot be right.

    Raises
    ------
    FetchError
        The list could not be had whole; nothing is left at ``path``.
    OfflineError
        It is not there and the settings say ``offline``.
    """
    if access.settings.offline:
        if fault_of(path) is not None:
            raise refusal([path])
        return
    with replacing(path) as part:
        if part is None:
            return
        part.clear()
        count = 0
        for rows in pages(access, api_url, query):
            lines = [json.dumps(prepare(row), sort_keys=True, ensure_ascii=False) for row in rows]
            part.append(((",\n" if count else "[\n") + ",\n".join(lines)).encode())
            count += len(rows)
            logger.info("%s: %d records", path.name, count)
        part.append(b"\n]\n")
        part.publish(query.url(api_url, 0), None)
