"""The ModelOps operator: the life of a model, from data to production, as Kubernetes resources."""
