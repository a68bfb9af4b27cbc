"""Sweeps: TrainingRuns that create a child run for each trial, and keep the model of the best one."""
