"""Pods of a revision: their template, their volumes, and how many there are."""
