"""From tracer experiments to the arrays of the regression."""
