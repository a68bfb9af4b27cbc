"""Attempts of a run: the Job of each, how it ended, and whether to retry."""
