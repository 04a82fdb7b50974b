"""The part of the Allen Institute's query language (RMA) that allensdk 2.16.2 and mesomode use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
ASSOCIATED = "_associated"
"""Key of a record under which the records associated with it are kept."""
DEFAULT_ROWS = 50

FILTER = re.compile(r"([A-Za-z_][\w.\-]*)(?:\$(eq|ne|in|gt|lt|ge|le|li|il|is)(.*))?", re.S)


class RmaError(ValueError):
    """A query that the service refuses."""


@dataclass(frozen=True)
class Filter:
    """``[attribute$operator values]``."""

    attribute: str
    operator: str
    values: tuple[str, ...]

    def accepts(self, record: Record) -> bool:
        """Whether a record passes."""
        name = self.attribute.split(".")[-1]
        if name not in record:
            raise RmaError(f"unknown attribute {name}")
        value = record[name]
        values = self.values
        if isinstance(value, bool):
            text: str | None = "true" if value else "false"
            values = tuple({"t": "true", "f": "false"}.get(v, v) for v in values)
        else:
            text = None if value is None else str(value)
        if self.operator == "exists":
            return value is not None
        if self.operator in ("eq", "in", "is"):
            return text in values
        if self.operator == "ne":
            return text not in values
        if value is None:
            return False
        if self.operator in ("li", "il"):
            flags = re.I if self.operator == "il" else 0
            return re.fullmatch(values[0].replace("*", ".*"), str(text), flags) is not None
        left, right = float(value), float(values[0])
        return {
            "gt": left > right,
            "lt": left < right,
            "ge": left >= right,
            "le": left <= right,
        }[self.operator]


@dataclass(frozen=True)
class Path:
    """``association[filters](path,path)``; without a name, filters of the record itself."""

    name: str | None
    filters: tuple[Filter, ...] = ()
    children: tuple[Path, ...] = ()


@dataclass
class Stage:
    """One ``model::Name`` of a query with its criteria, includes and options."""

    kind: str
    name: str
    filters: tuple[Filter, ...]
    criteria: list[Path] = field(default_factory=list)
    include: list[Path] = field(default_factory=list)
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)


def split_outside_brackets(text: str) -> list[str]:
    """Split at the commas that are not within brackets or quotes."""
    parts, depth, part, quoted = [], 0, "", False
    for character in text:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0 and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    if depth or quoted:
        raise RmaError("unbalanced brackets or quotes")
    return [item.strip() for item in [*parts, part] if item.strip()]


def parse_filters(text: str) -> tuple[tuple[Filter, ...], str]:
    """Parse the leading ``[...][...]`` of a text; return the filters and the rest."""
    filters = []
    while text.startswith("["):
        depth, end = 1, 0
        while depth:
            end += 1
            depth += (text[end] == "[") - (text[end] == "]")
        found = FILTER.fullmatch(text[1:end])
        if found is None:
            raise RmaError(f"bad filter {text[: end + 1]!r}")
        values = split_outside_brackets(found[3]) if found[3] else []
        filters.append(
            Filter(found[1], found[2] or "exists", tuple(v.strip().strip("'") for v in values))
        )
        text = text[end + 1 :]
    return tuple(filters), text


def parse_path(text: str) -> Path:
    """Parse ``association[filters](path,path)``."""
    found = re.match(r"[A-Za-z_]\w*", text)
    name = found[0] if found else None
    filters, rest = parse_filters(text[len(name or "") :])
    children: tuple[Path, ...] = ()
    if rest.startswith("(") and rest.endswith(")"):
        children = tuple(parse_path(part) for part in split_outside_brackets(rest[1:-1]))
    elif rest:
        raise RmaError(f"unexpected {rest!r} in {text!r}")
    return Path(name, filters, children)


def parse_query(text: str) -> Stage:
    """Parse a query of one stage."""
    stage: Stage | None = None
    target: list[Path] | None = None
    for part in split_outside_brackets(text):
        if "::" in part and not part.startswith("rma::"):
            if stage is not None:
                raise RmaError("more than one stage")
            kind, _, rest = part.partition("::")
            found = re.match(r"\w+", rest)
            if found is None:
                raise RmaError(f"bad stage {part!r}")
            filters, _ = parse_filters(rest[found.end() :])
            stage = Stage(kind, found[0], filters)
        elif stage is None:
            raise RmaError(f"the query does not begin with a stage: {part!r}")
        elif part == "rma::criteria":
            target = stage.criteria
        elif part == "rma::include":
            target = stage.include
        elif part.startswith("rma::options"):
            for item in parse_filters(part.removeprefix("rma::options"))[0]:
                stage.options[item.attribute] = item.values
            target = None
        elif target is not None:
            target.append(parse_path(part))
        else:
            raise RmaError(f"unexpected {part!r}")
    if stage is None or stage.kind != "model":
        raise RmaError("only model:: queries are served, Informatics service request failed")
    return stage


def associated(record: Record, name: str) -> Any:
    """Records associated with a record; singular and plural names are the same."""
    known = record.get(ASSOCIATED, {})
    for candidate in (name, name + "s", name.removesuffix("s")):
        if candidate in known:
            return candidate, known[candidate]
    raise RmaError(f"no association {name}")


def matches(record: Record, path: Path) -> bool:
    """Whether a record, or one associated with it, passes the filters of a path."""
    if path.name is None:
        return all(item.accepts(record) for item in path.filters)
    _, found = associated(record, path.name)
    others = found if isinstance(found, list) else [found] if found is not None else []
    return any(
        all(item.accepts(other) for item in path.filters)
        and all(matches(other, child) for child in path.children)
        for other in others
    )


def emit(record: Record, include: Sequence[Path]) -> Record:
    """A record as the service sends it, with the associations asked for."""
    sent = {key: value for key, value in record.items() if key != ASSOCIATED}
    for path in include:
        name, found = associated(record, str(path.name))
        if isinstance(found, list):
            sent[name] = [
                emit(other, path.children)
                for other in found
                if all(item.accepts(other) for item in path.filters)
            ]
        elif found is not None:
            sent[name] = emit(found, path.children)
    return sent


def answer(
    text: str, tables: Mapping[str, Sequence[Record]], outside: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The envelope with which the service answers a query.

    Parameters
    ----------
    text : str
        The decoded query.
    tables : mapping
        Records by model.
    outside : mapping, optional
        ``num_rows`` and ``start_row`` given outside the query.
    """
    try:
        return _answer(parse_query(text), tables, outside or {})
    except RmaError as error:
        return refusal(f"Error in query: {error}")


def refusal(message: str) -> dict[str, Any]:
    """The envelope of a query that failed; it comes with HTTP status 200."""
    return {
        "success": False,
        "id": 0,
        "start_row": 0,
        "num_rows": 0,
        "total_rows": 0,
        "msg": message,
    }


def _answer(
    stage: Stage, tables: Mapping[str, Sequence[Record]], outside: Mapping[str, str]
) -> dict[str, Any]:
    if stage.name not in tables:
        raise RmaError(f"uninitialized constant {stage.name}")
    rows = [
        record
        for record in tables[stage.name]
        if all(item.accepts(record) for item in stage.filters)
        and all(matches(record, path) for path in stage.criteria)
    ]
    for order in reversed(stage.options.get("order", ())):
        name, _, direction = order.partition("$")
        name = name.split(".")[-1]
        if rows and name not in rows[0]:
            raise RmaError(f"unknown column {name}")
        rows.sort(key=lambda row: (row[name] is None, row[name]), reverse=direction == "desc")
    total = len(rows)
    start = int(stage.options.get("start_row", (outside.get("start_row", "0"),))[0])
    count = stage.options.get("num_rows", (outside.get("num_rows", str(DEFAULT_ROWS)),))[0]
    rows = rows[start:] if count == "all" else rows[start : start + int(count)]
    counted = stage.options.get("count", ("true",))[0] != "false"
    return {
        "success": True,
        "id": 0,
        "start_row": start,
        "num_rows": len(rows),
        "total_rows": total if counted else len(rows),
        "msg": [emit(record, stage.include) for record in rows],
    }
