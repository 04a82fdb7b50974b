"""A server with a small world, for the tests of fetching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesomode.access.network import Access
from mesomode.access.settings import Settings
from tests.allen_server import AllenServer, serve, write_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the raw files that the server serves."""
    return write_world(tmp_path_factory.mktemp("allen") / "world")


@pytest.fixture(scope="session")
def running_server(world: Path) -> Iterator[AllenServer]:
    with serve(world) as server:
        yield server


@pytest.fixture
def server(running_server: AllenServer) -> AllenServer:
    """The server, well-behaved at first."""
    running_server.misbehave()
    return running_server


@pytest.fixture
def leave(server: AllenServer) -> Iterator[Callable[..., Access]]:
    """Make leave to use the server, with changes of its settings."""
    made = []

    def make(**changes: Any) -> Access:
        made.append(Access(Settings(**server.access(**changes))))
        return made[-1]

    yield make
    for access in made:
        access.__exit__()
