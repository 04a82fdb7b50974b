"""Base of the settings classes: one section of the configuration each."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Field", "SettingsBase"]


class SettingsBase(BaseModel):
    """A section of the configuration: unknown keys are refused, values cannot change later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
