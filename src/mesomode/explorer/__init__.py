"""The stage ``explorer``: a page that shows a run, opened from disk or served."""
