"""Identity of data, artifacts and training inputs by their content. Pure."""
