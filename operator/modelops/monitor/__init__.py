"""Proxy container of a serving Pod: Envoy's configuration, the supervisor, and the monitor."""
