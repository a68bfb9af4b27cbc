"""S3: list current objects, fetch a pinned version, write once. A thin layer over boto3 with one kind of error."""
