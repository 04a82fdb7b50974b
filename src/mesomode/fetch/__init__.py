"""From the Allen Institute to verified raw files and neutral HDF5 files."""
