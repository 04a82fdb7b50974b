"""A faithful local stand-in for the Allen Institute's services, for tests only.

It serves a folder of raw files in the layout of ``results/raw/allen`` under the addresses, with
the headers and in the forms that allensdk 2.16.2 meets, and can misbehave by rule.
"""

from tests.allen_server.faults import Fault
from tests.allen_server.server import AllenServer, serve
from tests.allen_server.world import write_world

__all__ = ["AllenServer", "Fault", "serve", "write_world"]
