"""Figures of every stage and the table of a run's key numbers."""
