"""Machinery of all kinds: watches, cache, queue, applying, status, Events, leader election and health."""
