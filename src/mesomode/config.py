"""The configuration: one section for each package that has a ``settings.py``."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, create_model

from mesomode.errors import ConfigError
from mesomode.settings import SettingsBase

PACKAGE = Path(__file__).resolve().parent

TOP_LEVEL: dict[str, Any] = {
    "run": (
        str,
        Field(
            default="default",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            description="Name of the run: results go to results/<run>/. Change it to keep "
            "the results of another configuration beside these.",
        ),
    ),
    "source": (
        Literal["phantom", "allen"],
        Field(
            default="phantom",
            description="Where the raw data come from: 'phantom' makes a synthetic brain with "
            "a known answer; 'allen' downloads from the Allen Institute's services.",
        ),
    ),
    "seed": (
        int,
        Field(
            default=1,
            ge=0,
            description="Seed of every random number; the same configuration and seed give "
            "the same numbers.",
        ),
    ),
    "rerun_on_code_change": (
        bool,
        Field(
            default=True,
            description="Whether an edit of the package's code reruns the stages it affects. "
            "Set to false to keep results while you work on the code.",
        ),
    ),
}


def section_classes() -> dict[str, type[SettingsBase]]:
    """The settings class of each section, by the section's name, in alphabetical order."""
    found = {}
    for file in sorted(PACKAGE.glob("*/settings.py")):
        section = file.parent.name
        found[section] = importlib.import_module(f"mesomode.{section}.settings").Settings
    return found


@lru_cache(maxsize=1)
def config_class() -> type[SettingsBase]:
    """The whole configuration as one class, made of the top-level keys and all sections."""
    sections: dict[str, Any] = {
        name: (
            settings,
            Field(default_factory=settings, description=_first_paragraph(settings.__doc__)),
        )
        for name, settings in section_classes().items()
    }
    return create_model("Config", __base__=SettingsBase, **TOP_LEVEL, **sections)


def check_yaml(file: str | Path) -> None:
    """Refuse a configuration file that is missing or no YAML, saying where it is broken.

    Raises
    ------
    ConfigError
        It cannot be read.
    """
    import yaml

    try:
        yaml.safe_load(Path(file).read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            "the configuration does not exist",
            where=file,
            remedy="start snakemake in the folder of the pipeline, where config.yaml is",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the configuration is not YAML",
            where=file,
            why=" ".join(str(error).split()),
            remedy="correct it; indent with blanks, put a blank after each colon",
        ) from error


def load_config(values: Mapping[str, Any]) -> SettingsBase:
    """Check a configuration and fill in the defaults.

    Parameters
    ----------
    values : mapping
        As read from ``config.yaml`` and the command line.

    Returns
    -------
    SettingsBase
        With one attribute a top-level key or section.

    Raises
    ------
    ConfigError
        Unknown keys or unusable values, all of them in one message.
    """
    return validated(config_class(), values, "config.yaml")


def validated(settings: type[SettingsBase], values: Any, where: str) -> Any:
    """Make a settings object, or say which keys are wrong and what is allowed.

    Raises
    ------
    ConfigError
        With one line a problem: the key, its value, what is allowed, the
        nearest valid key.
    """
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        lines = [_explained(settings, problem) for problem in error.errors()]
        raise ConfigError(
            f"{len(lines)} key{'s' * (len(lines) > 1)} of the configuration cannot be used:\n"
            + "\n".join(f"  - {line}" for line in lines),
            where=where,
            remedy="correct the file; all keys are listed in workflow/reference/config.md",
        ) from error


def _explained(settings: type[BaseModel], problem: Any) -> str:
    path = list(problem["loc"])
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        owner = _model_at(settings, path[:-1])
        valid = list(owner.model_fields)
        near = difflib.get_close_matches(str(path[-1]), valid, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}"
        return f"{key}: there is no such key; {hint}"
    allowed = _allowed(settings, path)
    message = problem["msg"][0].lower() + problem["msg"][1:]
    if problem["type"] == "value_error":
        message = message.removeprefix("value error, ")
    return f"{key}: {message}, found {problem['input']!r}" + (f" ({allowed})" if allowed else "")


def _model_at(settings: type[BaseModel], path: list[Any]) -> type[BaseModel]:
    for part in path:
        annotation = (
            settings.model_fields[part].annotation if part in settings.model_fields else None
        )
        models = [
            t
            for t in (annotation, *get_args(annotation))
            if isinstance(t, type) and issubclass(t, BaseModel)
        ]
        if not models:
            return settings
        settings = models[0]
    return settings


def _allowed(settings: type[BaseModel], path: list[Any]) -> str:
    names = [part for part in path if isinstance(part, str)]
    owner = _model_at(settings, names[:-1])
    field = owner.model_fields.get(names[-1]) if names else None
    if field is None:
        return ""
    return "; ".join(t for t in (bounds_text(field), f"default {default_text(field)}") if t)


def bounds_text(field: Any) -> str:
    """The allowed range of a settings field, as text; empty if anything goes."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [
        f"{sign} {getattr(item, name):g}"
        for item in field.metadata
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    choices = (
        get_args(field.annotation) if str(field.annotation).startswith("typing.Literal") else ()
    )
    if choices:
        bounds.append("one of " + ", ".join(map(str, choices)))
    return " and ".join(bounds)


def default_text(field: Any) -> str:
    """The default of a settings field, as JSON text."""
    default = field.get_default(call_default_factory=True)
    return json.dumps(default, default=str, ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """JSON schema of the configuration, for editors that complete and check YAML."""
    schema = config_class().model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "mesomode configuration"
    return schema


def reference() -> str:
    """The configuration reference as Markdown, generated from the settings classes."""
    lines = [
        "# Configuration reference",
        "",
        "Generated by `mesomode config --reference`; do not edit.",
        "",
        "| key | default | allowed | meaning |",
        "|---|---|---|---|",
        *_reference_rows(config_class(), TOP_LEVEL),
    ]
    for name, settings in section_classes().items():
        lines += [
            "",
            f"## {name}",
            "",
            _first_paragraph(settings.__doc__),
            "",
            "| key | default | allowed | meaning |",
            "|---|---|---|---|",
            *_reference_rows(settings, settings.model_fields, f"{name}."),
        ]
    return "\n".join(lines) + "\n"


def _reference_rows(settings: type[BaseModel], names: Any, prefix: str = "") -> list[str]:
    rows = []
    for name in names:
        field = settings.model_fields[name]
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        bounds = bounds_text(field).replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | `{default_text(field)}` | {bounds} | {text} |")
    return rows


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())
