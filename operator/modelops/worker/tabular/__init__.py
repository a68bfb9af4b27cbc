"""Read CSV, JSON Lines and Parquet into typed columns."""
