"""Model artifact: its digest, its upload, and the records of its training run."""
