"""Support for tests of the proxy: Envoy, models and clients on this machine."""
