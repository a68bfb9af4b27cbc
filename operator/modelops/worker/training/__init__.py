"""The trainer's side of the contract: its files, exit code, metrics and progress."""
