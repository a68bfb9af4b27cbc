"""`kubectl modelops`: show rollouts and lineage, and send requests to the operator without knowing its annotations."""
