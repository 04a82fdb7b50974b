"""mesomode: from tracer data to dynamics."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mesomode")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+unknown"
