"""When a candidate advances to the next step, is promoted, or is rolled back."""
