"""Two-photon sessions: traces, trials, tuning, dimension and time-scales."""
