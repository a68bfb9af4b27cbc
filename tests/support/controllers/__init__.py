"""Support for tests of the controllers, without a cluster."""
