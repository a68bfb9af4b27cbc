"""What the Pod of a revision looks like."""
