"""Analysis of a candidate: what its Pods counted, what the user's own checks found, and the outcome of both."""
