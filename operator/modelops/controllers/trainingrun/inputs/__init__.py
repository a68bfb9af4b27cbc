"""Which inputs a run uses, and when it needs new ones."""
