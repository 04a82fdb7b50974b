"""Settings of the section ``access``: addresses, patience and politeness; not science."""

from __future__ import annotations

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """How the Allen Institute's services are reached. Changing these reruns nothing.

    Only another ``allensdk_python`` reads the raw data again.
    """

    api_url: str = Field(
        default="https://api.brain-map.org",
        pattern=r"^https?://[^\s]*[^\s/]$",
        description="Address of the queries, the tracer volumes and the recordings, without a "
        "slash at the end. Change it to use a mirror.",
    )
    archive_url: str = Field(
        default="https://download.alleninstitute.org",
        pattern=r"^https?://[^\s]*[^\s/]$",
        description="Address of the archive with the annotation and the template, without a "
        "slash at the end. Change it to use a mirror.",
    )
    observatory_url: str = Field(
        default="https://allen-brain-observatory.s3.us-west-2.amazonaws.com",
        pattern=r"^$|^https?://[^\s]*[^\s/]$",
        description="Address of the public bucket that is asked first for recordings (faster "
        "than the API). Empty: ask the API only.",
    )
    offline: bool = Field(
        default=False,
        description="Refuse every download, and say which files are missing. Set it to true on "
        "machines without a network, with a cache copied from elsewhere.",
    )
    connections: int = Field(
        default=3,
        ge=1,
        le=8,
        description="Number of files downloaded at the same time. The services publish no limit; "
        "2 to 4 is polite.",
    )
    retries: int = Field(
        default=6,
        ge=0,
        le=50,
        description="How often a request is repeated after a failure that may pass, such as a "
        "busy server or a lost connection. Attempts that bring new bytes are not counted.",
    )
    first_wait_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="Wait before the first repetition, in seconds; it doubles each time, give "
        "or take a random half.",
    )
    longest_wait_s: float = Field(
        default=300.0,
        ge=0,
        le=3600,
        description="Longest wait between two attempts, in seconds, also where the server asks "
        "for more.",
    )
    connect_timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="Time allowed to reach a server, in seconds. Raise it behind a slow proxy.",
    )
    read_timeout_s: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        description="Longest silence of a server, in seconds. Raise it if long queries time out.",
    )
    slowest_rate_kb_s: float = Field(
        default=1.0,
        ge=0,
        le=1e6,
        description="Slowest acceptable transfer, in kB/s over the time below; a slower one is "
        "broken off and taken up again. Lower it on a very slow line.",
    )
    rate_window_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="Time over which the rate of a transfer is judged, in seconds.",
    )
    allensdk_python: str = Field(
        default="",
        description="Python interpreter of a ready environment with allensdk 2.16.2. Empty: the "
        "pipeline makes one. Set it on cluster nodes without a network.",
    )
