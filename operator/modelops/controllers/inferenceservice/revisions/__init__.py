"""Selected version, observed revisions, and the objects of a revision."""
