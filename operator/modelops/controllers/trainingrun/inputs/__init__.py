"""Inputs of a run: the data and settings that decide its model, and when new ones are needed."""
