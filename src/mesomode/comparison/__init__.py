"""Networks beside recordings: dimension and time-scales."""
