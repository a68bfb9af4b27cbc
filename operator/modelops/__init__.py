"""ModelOps operator: a model's life from data to production, as Kubernetes resources."""
