"""Which version is selected, and which revisions exist."""
