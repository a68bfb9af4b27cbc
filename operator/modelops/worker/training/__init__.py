"""Trainer's side of the container contract: files, exit code, metrics and progress."""
