"""The model artifact: its digest, its upload, and the records of the run."""
