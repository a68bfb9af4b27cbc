"""One-node Kubernetes for development and tests: kind where Docker answers, otherwise an embedded node."""
