"""Support for tests on the real cluster."""
