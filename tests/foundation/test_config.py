"""The configuration is checked, and its errors name key, value, range and nearest key."""

from __future__ import annotations

import json

import pytest

from mesomode.config import json_schema, load_config, reference, section_classes
from mesomode.errors import ConfigError


def test_defaults_make_a_valid_configuration() -> None:
    config = load_config({})
    assert config.source == "phantom"
    assert config.tracing.minimum_fraction_inside == 0.95
    assert load_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tracng": {}}, ["tracng", "did you mean 'tracing'?"]),
        (
            {"tracing": {"minimum_fraction_insde": 0.9}},
            ["tracing.minimum_fraction_insde", "did you mean 'minimum_fraction_inside'?"],
        ),
        (
            {"tracing": {"minimum_fraction_inside": 1.5}},
            ["tracing.minimum_fraction_inside", "found 1.5", "≥ 0 and ≤ 1", "default 0.95"],
        ),
        ({"source": "alen"}, ["source", "'phantom' or 'allen'", "found 'alen'"]),
        ({"seed": "one"}, ["seed", "valid integer", "found 'one'"]),
        ({"run": "../elsewhere"}, ["run", "found '../elsewhere'"]),
        ({"atlas": {"regions": []}}, ["atlas.regions", "at least 1"]),
        ({"atlas": None}, ["atlas"]),
    ],
)
def test_wrong_keys_and_values_are_explained(values: dict, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(values)
    for word in [*words, "workflow/reference/config.md"]:
        assert word in str(caught.value)


def test_all_problems_come_in_one_message() -> None:
    with pytest.raises(ConfigError, match="2 keys") as caught:
        load_config({"sed": 1, "tracing": {"injection_shell": -1}})
    assert "did you mean 'seed'?" in str(caught.value)
    assert "tracing.injection_shell" in str(caught.value)


def test_every_key_is_described() -> None:
    for section, settings in section_classes().items():
        for name, field in settings.model_fields.items():
            assert field.description, f"{section}.{name} has no description"
            assert f"`{section}.{name}`" in reference()


def test_the_schema_forbids_unknown_keys() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema
