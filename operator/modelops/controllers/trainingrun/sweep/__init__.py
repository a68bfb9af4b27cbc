"""Sweeps: a TrainingRun that trains by child runs, one a trial, and keeps the best one's model."""
