"""Tenants of one bucket: the policies of docs/operations.md, on a real S3 server that enforces them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.api.contract.tasks import S3Place
from modelops.store.client import S3Client, make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import fetch
from modelops.store.layout import model_of
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.store.writing import put_if_absent
from support import s3_server
from support.builders.common import digest
from support.checkout import ROOT
from support.pages import blocks
from support.worker_pod import WorkerPod

_PAGE_BUCKET, _PAGE_PREFIX = "ml-models", "modelops"
_ACCOUNT = "000000000000"
"""Account of users that SeaweedFS makes."""
_OWN, _OTHER, _LONGER = "team-a", "team-b", "team-ab"
_MIB = 1 << 20


def policies() -> tuple[str, str]:
    """Return the IAM policy and the bucket policy of the page, with their placeholders."""
    documents = [text for text in blocks((ROOT / "docs/operations.md").read_text(), "json") if "Statement" in text]
    iam, bucket = sorted(documents, key=lambda text: "Principal" in text)
    return iam, bucket


def filled(policy: str, namespace: str, bucket: str) -> dict[str, Any]:
    """Return a policy of the page for a namespace."""
    text = policy.replace("ACCOUNT", _ACCOUNT).replace("NAMESPACE", namespace).replace(_PAGE_BUCKET, bucket)
    document: dict[str, Any] = json.loads(text)
    return document


def place(bucket: str, namespace: str) -> S3Place:
    """Return the store's place of a namespace."""
    return S3Place(bucket=bucket, prefix=f"{_PAGE_PREFIX}/{namespace}/")


class Tenant(NamedTuple):
    """Keys of a namespace."""

    client: S3Client
    key: str
    secret: str


class Tenants:
    """Users of a server, made by the IAM API as an administrator makes them."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._iam = boto3.client(
            "iam",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=s3_server.ACCESS_KEY,
            aws_secret_access_key=s3_server.SECRET_KEY,
        )
        self._users: list[str] = []

    def user(self, namespace: str) -> Tenant:
        """Make the user of a namespace, who may do nothing yet."""
        name = f"modelops-{namespace}"
        self._iam.create_user(UserName=name)
        self._users.append(name)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
        client = make_client(S3Place(bucket="-", endpoint=self._endpoint), credentials, attempts=1)
        return Tenant(client, key["AccessKeyId"], key["SecretAccessKey"])

    def allow(self, namespace: str, policy: dict[str, Any]) -> None:
        """Attach an IAM policy to the user of a namespace."""
        user = f"modelops-{namespace}"
        name = f"{user}-{time.time_ns()}"
        self._iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))
        self._iam.attach_user_policy(UserName=user, PolicyArn=f"arn:aws:iam::{_ACCOUNT}:policy/{name}")

    def remove(self) -> None:
        """Remove the users."""
        for user in self._users:
            with suppress(ClientError):
                self._iam.delete_user(UserName=user)


class Parted(NamedTuple):
    """Bucket with an object of each namespace, and the keys of one of them."""

    bucket: str
    own: Tenant


@pytest.fixture(params=["IAM policy", "bucket policy"])
def parted(
    request: pytest.FixtureRequest, s3: s3_server.Seaweed, client: S3Client, new_bucket: Callable[..., str]
) -> Iterator[Parted]:
    """Bucket whose tenants are parted by one of the page's policies."""
    bucket, tenants = new_bucket(), Tenants(s3.endpoint)
    iam_policy, bucket_policy = policies()
    try:
        own, _ = tenants.user(_OWN), tenants.user(_OTHER)
        if request.param == "IAM policy":
            for namespace in (_OWN, _OTHER):
                tenants.allow(namespace, filled(iam_policy, namespace, bucket))
        else:
            both = [filled(bucket_policy, namespace, bucket) for namespace in (_OWN, _OTHER)]
            statements = [statement for document in both for statement in document["Statement"]]
            client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**both[0], "Statement": statements}))
        for namespace in (_OWN, _OTHER, _LONGER):
            client.put_object(Bucket=bucket, Key=f"{_PAGE_PREFIX}/{namespace}/models/x", Body=b"x")
        _wait_for_the_keys(own.client, bucket)
        yield Parted(bucket, own)
    finally:
        tenants.remove()


def _wait_for_the_keys(client: S3Client, bucket: str) -> None:
    """Wait until the server knows a new user and its rights."""
    deadline = time.monotonic() + 60
    while True:
        try:
            client.head_object(Bucket=bucket, Key=f"{_PAGE_PREFIX}/{_OWN}/models/x")
            return
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_the_two_policies_allow_the_same() -> None:
    """A platform team may choose either of them."""
    iam, bucket = (filled(policy, _OWN, "b")["Statement"] for policy in policies())
    assert [{key: value for key, value in each.items() if key != "Principal"} for each in bucket] == iam
    principal = {"AWS": f"arn:aws:iam::{_ACCOUNT}:user/modelops-{_OWN}"}
    assert [each["Principal"] for each in bucket] == [principal] * 3


def test_everything_of_the_store_works_below_the_own_prefix(parted: Parted, tmp_path: Path) -> None:
    """Write, write in parts, list, read, and delete, as the worker does."""
    bucket, own = parted.bucket, parted.own.client
    prefix = model_of(place(bucket, _OWN), digest("a")).key
    large = tmp_path / "large"
    large.write_bytes(b"x" * (11 * _MIB))
    assert put_if_absent(own, bucket, prefix + "small", b"small")
    assert not put_if_absent(own, bucket, prefix + "small", b"other")
    assert put_if_absent(own, bucket, prefix + "large", large, part_bytes=5 * _MIB)
    listed = list_current(own, bucket, prefix)
    objects = list(listed.objects)
    assert listed.versioned
    assert [pinned.key.removeprefix(prefix) for pinned in objects] == ["large", "small"]
    fetch(own, bucket, prefix + "large", tmp_path / "copy", max_bytes=11 * _MIB)
    assert (tmp_path / "copy").read_bytes() == large.read_bytes()
    for pinned in objects:
        remove(own, bucket, pinned)
    assert not list(list_current(own, bucket, prefix).objects)


@pytest.mark.parametrize("namespace", [_OTHER, _LONGER])
def test_nothing_of_the_store_works_below_another_prefix(
    parted: Parted, client: S3Client, tmp_path: Path, namespace: str
) -> None:
    """A tenant reads no model of another one, replaces no checkpoint, deletes nothing, and does not even see names."""
    bucket, own = parted.bucket, parted.own.client
    prefix = f"{_PAGE_PREFIX}/{namespace}/"
    (theirs,) = list_current(client, bucket, prefix).objects
    upload = {"Bucket": bucket, "Key": prefix + "parts"}
    upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
    tries: dict[str, Callable[[], object]] = {
        "get": lambda: fetch(own, bucket, theirs.key, tmp_path / "x", max_bytes=1),
        "put": lambda: put_if_absent(own, bucket, prefix + "new", b"x"),
        "put in parts": lambda: put_if_absent(own, bucket, prefix + "new", b"x" * 6 * _MIB, part_bytes=5 * _MIB),
        "list": lambda: list(list_current(own, bucket, prefix).objects),
        "delete": lambda: remove(own, bucket, theirs),
    }
    for name, action in tries.items():
        with pytest.raises(S3Error) as caught:
            action()
        assert caught.value.reason is Reason.ACCESS_DENIED, name
    requests: dict[str, Callable[[], object]] = {
        "head": lambda: own.head_object(Bucket=bucket, Key=theirs.key),
        "get a version": lambda: own.get_object(Bucket=bucket, Key=theirs.key, VersionId=theirs.version_id),
        "delete": lambda: own.delete_object(Bucket=bucket, Key=theirs.key),
        "copy from there": lambda: own.copy_object(
            Bucket=bucket, Key=f"{_PAGE_PREFIX}/{_OWN}/x", CopySource={"Bucket": bucket, "Key": theirs.key}
        ),
        "list": lambda: own.list_objects_v2(Bucket=bucket, Prefix=prefix),
        "list versions": lambda: own.list_object_versions(Bucket=bucket, Prefix=prefix),
        "list all": lambda: own.list_objects_v2(Bucket=bucket),
        "list namespaces": lambda: own.list_objects_v2(Bucket=bucket, Prefix=f"{_PAGE_PREFIX}/", Delimiter="/"),
        "list uploads": lambda: own.list_multipart_uploads(Bucket=bucket, Prefix=prefix),
        "begin an upload": lambda: own.create_multipart_upload(Bucket=bucket, Key=prefix + "new"),
        "upload a part": lambda: own.upload_part(**upload, PartNumber=1, Body=b"x"),
        "list parts": lambda: own.list_parts(**upload),
        "abort": lambda: own.abort_multipart_upload(**upload),
        "change the policy": lambda: own.put_bucket_policy(Bucket=bucket, Policy="{}"),
    }
    for name, request in requests.items():
        with pytest.raises(ClientError) as refused:
            request()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, name
    assert list(list_current(client, bucket, prefix).objects) == [theirs]


def test_a_pod_with_the_keys_of_its_namespace_fetches_no_model_of_another(parted: Parted, pod: WorkerPod) -> None:
    """A ModelVersion may name any artifact: the keys decide."""
    pod.secret("store", parted.own.key, parted.own.secret)
    uri = f"s3://{parted.bucket}/{_PAGE_PREFIX}"
    for namespace, reason in ((_OWN, "DigestMismatch"), (_OTHER, "AccessDenied")):
        task = {
            "artifactUri": f"{uri}/{namespace}/models/",
            "digest": digest("a"),
            "bytes": 1,
            "store": pod.place(parted.bucket, secret="store"),
        }
        assert pod.run("fetch-model", task).failure == (42, reason)
