"""Build objects for tests with defaults, so that a test shows only what matters to it. One module a kind."""
