"""Envoy's bootstrap configuration and statistics."""
