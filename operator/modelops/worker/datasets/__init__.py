"""List, pin, download and verify the objects of a Dataset."""
