"""A real one-node Kubernetes for development and tests: kind where Docker answers, an embedded node else."""
