"""Receive, parse and aggregate captured requests and responses."""
