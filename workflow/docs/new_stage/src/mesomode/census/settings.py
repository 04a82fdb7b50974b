"""Settings of the stage ``census``."""

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """How voxels are counted."""

    smallest: int = Field(
        default=0, ge=0, le=1000, description="Regions with fewer voxels than this count as none."
    )
