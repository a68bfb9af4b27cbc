"""Which version is selected, which revisions exist, and the objects of a revision."""
