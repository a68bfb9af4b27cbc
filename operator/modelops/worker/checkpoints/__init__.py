"""Save and restore a run's checkpoints."""
