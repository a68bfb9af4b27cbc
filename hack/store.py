"""Access S3 from outside the cluster by the Service's address: buckets and uploads for the demo and the tests."""

import hashlib
from contextlib import suppress
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from hack.deploy import ACCESS_KEY, SECRET_KEY
from hack.kubectl import Kubectl


def client(kubectl: Kubectl) -> Any:
    """Return an S3 client for the server in the cluster."""
    service = kubectl.get("service", "s3", "s3")
    assert service is not None, "the S3 server is deployed"
    return boto3.client(
        "s3",
        endpoint_url=f"http://{service['spec']['clusterIP']}:8333",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(connect_timeout=3, retries={"max_attempts": 10}, s3={"addressing_style": "path"}),
    )


def make_bucket(s3: Any, bucket: str, *, versioned: bool = True) -> None:
    """Create the bucket unless it exists, and turn its versioning on if `versioned`."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        # Another process may have created the bucket in the meantime.
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            s3.create_bucket(Bucket=bucket)
    if versioned and s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def upload(s3: Any, bucket: str, key: str, content: bytes) -> bool:
    """Upload an object, unless the key holds the same bytes by their MD5. Return whether there was an upload."""
    try:
        if s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"') == hashlib.md5(content).hexdigest():
            return False
    except ClientError:
        pass
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    return True
