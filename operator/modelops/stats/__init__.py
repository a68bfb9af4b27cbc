"""Statistics from counts: how far two distributions are from each other, and how biased data is. Pure."""
