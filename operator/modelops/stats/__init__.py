"""Statistics from counts: distances between two distributions, and bias metrics. Pure."""
