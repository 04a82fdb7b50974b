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

PAGE_ROWS = 2000
Row = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A list of records of the API.

    Parameters
    ----------
    model : str
        What the records are, for example ``"ApiConnectivity"``.
    key : str
        The attribute that is unique to each record.
    order : str
        The attribute to order by, with its table where others are included.
    required : tuple of str
        Attributes that every record must have.
    criteria, include : str
        RMA text of the filter and of the associations to join.
    fewest : int
        So many records there must be at least.
    """

    model: str
    key: str
    order: str
    required: tuple[str, ...] = ()
    criteria: str = ""
    include: str = ""
    fewest: int = 1

    def url(self, api_url: str, start: int, page_rows: int = PAGE_ROWS) -> str:
        """Address of the page that begins with record ``start``."""
        parts = [f"model::{self.model}"]
        if self.criteria:
            parts += ["rma::criteria", self.criteria]
        if self.include:
            parts += ["rma::include", self.include]
        parts.append(
            f"rma::options[num_rows$eq{page_rows}][start_row$eq{start}]"
            f"[order$eq'{self.order}'][count$eqtrue]"
        )
        query = quote(",".join(parts), safe=";/?:@&=+$,")
        return f"{api_url}/api/v2/data/query.json?q={query}"


def pages(
    access: Access, api_url: str, query: Query, page_rows: int = PAGE_ROWS
) -> Iterator[list[Row]]:
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
        url = query.url(api_url, start, page_rows)
        ask = partial(_page, access, url, query, range(start, start + page_rows), total)
        rows, total = access.persist(url, ask)
        for row in rows:
            if row[query.key] in seen:
                raise FetchError(
                    f"the list of {query.model} has a record twice",
                    where=url,
                    why=f"{query.key} {row[query.key]}: it may have changed while it was read",
                    remedy="try again",
                )
            seen.add(row[query.key])
        yield rows
        start += len(rows)


def _page(
    access: Access, url: str, query: Query, wanted: range, known_total: int | None
) -> tuple[list[Row], int]:
    """Records ``wanted`` of a query, and how many there are in all."""
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
    expected = min(len(wanted), total - wanted.start)
    if len(rows) != expected:
        raise PassingError(
            f"{len(rows)} {query.model} came where {expected} of {total} were expected"
        )
    for row in rows:
        absent = [name for name in (query.key, *query.required) if name not in row]
        if absent:
            raise PassingError(f"a record of {query.model} lacks {', '.join(absent)}")
    return rows, total


def download_rows(
    access: Access,
    api_url: str,
    query: Query,
    path: Path,
    prepare: Callable[[Row], Row] = lambda row: row,
    page_rows: int = PAGE_ROWS,
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
    page_rows : int
        Records asked for at a time.

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
        for rows in pages(access, api_url, query, page_rows):
            lines = [json.dumps(prepare(row), sort_keys=True, ensure_ascii=False) for row in rows]
            part.append(((",\n" if count else "[\n") + ",\n".join(lines)).encode())
            count += len(rows)
            logger.info("%s: %d records", path.name, count)
        part.append(b"\n]\n")
        part.publish(query.url(api_url, 0, page_rows), None)
