"""ModelOps operator: a model's life from data to production, as Kubernetes resources."""

__version__ = "0.1.0"
"""Version of the package, the images and the chart."""
