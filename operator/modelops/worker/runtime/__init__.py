"""What every command needs: paths, S3 clients, retries, signals, the termination message."""
