"""S3 from outside the cluster: buckets and uploads for the demo and the tests, through the Service's address."""

import hashlib
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from hack.deploy import ACCESS_KEY, SECRET_KEY
from hack.kubectl import Kubectl


def client(kubectl: Kubectl) -> Any:
    """An S3 client that reaches the server in the cluster."""
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
    """The bucket, with versioning on unless told otherwise."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        # Another process may have been faster.
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            s3.create_bucket(Bucket=bucket)
    if versioned and s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def upload(s3: Any, bucket: str, key: str, content: bytes) -> bool:
    """Upload, unless the very same bytes are there. Says whether it did."""
    try:
        if s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"') == hashlib.md5(content).hexdigest():
            return False
    except ClientError:
        pass
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    return True
