"""Controllers: one package a kind, and what several of them share."""
