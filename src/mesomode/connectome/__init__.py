"""Connectomes: nonnegative spline regression, the regional baseline, and files of one's own."""
