"""One attempt of a run: its Job, how the Job ended, and whether to retry."""
