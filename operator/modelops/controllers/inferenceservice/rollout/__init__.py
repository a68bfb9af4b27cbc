"""When a candidate advances, is promoted or is rolled back."""
