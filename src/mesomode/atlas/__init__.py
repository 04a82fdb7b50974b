"""From annotation and ontology to the voxel grids of sources and targets."""
