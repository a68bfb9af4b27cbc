"""Decide whether data passes its schema and checks, and profile it."""
