"""Shared by all commands: paths, S3 clients, retries, signals, the termination message."""
