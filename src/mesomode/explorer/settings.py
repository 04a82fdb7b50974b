"""Settings of the stage ``explorer``."""

from __future__ import annotations

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """The page on which a run is explored; nothing here changes a number."""

    enabled: bool = Field(default=True)
    """Whether the page results/<run>/explorer/index.html is made. Its program is built once, which
    needs the npm registry; set to false on machines that cannot reach it."""
