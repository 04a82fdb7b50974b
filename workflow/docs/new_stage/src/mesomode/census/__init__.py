"""The stage ``census``."""
