"""Datasets in every state, on a real bucket: the status names the problem and its remedy."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from hack import store
from hack.deploy import ACCESS_KEY, ENDPOINT, SECRET_KEY
from support.cluster import real_cluster
from support.cluster.real_cluster import Body, RealCluster, Space, condition, has, moment
from support.cluster.real_datasets import current, digest_of, message, reason

_GOOD = "lvr,deny\n0.5,true\n0.7,false\n"
_SCHEMA: Body = {
    "columns": [
        {"name": "lvr", "type": "number", "min": 0, "max": 2},
        {"name": "deny", "type": "boolean", "nullable": False},
    ]
}
_CELL = "Ada Lovelace"
_PEOPLE = f"name,lvr,group,deny\n{_CELL},{_CELL},{_CELL},{_CELL}\n{_CELL},1,x,true,{_CELL}\n{_CELL},3.41,x,true\n"
_OF_PEOPLE: Body = {
    "columns": [
        *_SCHEMA["columns"],
        {"name": "name", "type": "string", "enum": ["x"], "unique": True},
        {"name": "group", "type": "string", "enum": ["x"]},
    ],
    "protected": ["group"],
}


def _secret(space: Space, name: str, secret_key: str = SECRET_KEY) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": space.name},
        "stringData": {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": secret_key},
    }


@pytest.fixture(scope="module")
def shared(cluster: RealCluster) -> Iterator[Space]:
    """Return a namespace with the Datasets of all tests, started at once because each waits for a Job."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    plain = f"{name}-plain"
    store.make_bucket(cluster.s3, plain, versioned=False)
    cluster.s3.put_object(Bucket=plain, Key="plain/a.csv", Body=_GOOD.encode())
    for prefix in ("later", "good", "bad", "schema", "suspend"):
        space.upload(f"{prefix}/b.csv", _GOOD)
    space.upload("good/a.csv", "lvr,deny\n0.1,false\n")
    space.upload("good/a.csv", _GOOD)
    space.upload("good/Ä b+c.csv", _GOOD)
    space.upload("good/folder/", "")
    space.upload("goodness.csv", "not of this Dataset")
    space.upload("warn/a.csv", "lvr,deny\n3.41,true\n")
    space.upload("column/a.csv", "lvr\n0.5\n")
    space.upload("people/a.csv", _PEOPLE)
    space.upload("garbled/a.csv", b"PAR1\x00\xff\xfe\x00\n\xff\n")
    space.apply(
        _secret(space, "wrong", "not-the-secret"),
        _dataset(space, "no-bucket", bucket="there-is-no-such-bucket"),
        _dataset(space, "no-access", secretRef={"name": "wrong"}),
        _dataset(space, "no-port", endpoint=ENDPOINT.replace("8333", "8399")),
        _dataset(space, "no-name", endpoint="http://nowhere.invalid:8333"),
        _dataset(space, "no-s3", endpoint="http://modelops-metrics.modelops-system.svc:8080"),
        _dataset(space, "metadata", endpoint="http://169.254.169.254"),
        _dataset(space, "own-port", endpoint="http://127.0.0.1:8080"),
        _dataset(space, "no-secret", secretRef=None),
        _dataset(space, "later", secretRef={"name": "later"}),
        _dataset(space, "empty"),
        _dataset(space, "bad", {"schema": _SCHEMA}),
        _dataset(space, "good", {"schema": _SCHEMA}),
        _dataset(space, "schema"),
        _dataset(space, "suspend"),
        _dataset(space, "settle", {"settle": "15s"}),
        _dataset(space, "warn", {"schema": {**_SCHEMA, "onViolation": "Warn"}}),
        _dataset(space, "column", {"schema": _SCHEMA}),
        _dataset(space, "people", {"schema": _OF_PEOPLE}),
        _dataset(space, "garbled"),
        _dataset(space, "plain", bucket=plain),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _dataset(space: Space, name: str, spec: Body | None = None, **source: Any) -> Body:
    """Build a Dataset whose prefix is its name."""
    whole = {"bucket": space.bucket, "prefix": f"{name}/", "endpoint": ENDPOINT, "region": "us-east-1"}
    s3 = {**whole, "secretRef": {"name": "s3"}, **source}
    s3 = {name: value for name, value in s3.items() if value is not None}
    return space.object("Dataset", name, {"source": {"s3": s3}, "interval": "1s", "settle": "0s", **(spec or {})})


@pytest.mark.parametrize(
    ("name", "reasons", "words"),
    [
        (
            "no-bucket",
            {"NoSuchBucket"},
            ('"there-is-no-such-bucket"', ENDPOINT, "create the bucket or correct the name"),
        ),
        ("no-access", {"InvalidCredentials", "AccessDenied"}, ("credentials", ENDPOINT)),
    ],
)
def test_a_source_that_refuses_access_stalls_the_dataset_with_a_remedy(
    shared: Space, name: str, reasons: set[str], words: tuple[str, ...]
) -> None:
    """Each misconfiguration of a source has its own reason, and a message that names bucket or endpoint."""
    dataset = shared.wait("dataset", name, has("Stalled"))
    assert reason(dataset) in reasons
    assert condition(dataset, "Ready")["status"] == "False"  # type: ignore[index]
    for word in words:
        assert word in message(dataset)
    assert "snapshot" not in dataset["status"]
    assert shared.listed("jobs", f"modelops.dev/dataset={name}") == []


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("no-port", ":8399"),
        ("no-name", "nowhere.invalid"),
        ("no-s3", "modelops-metrics"),
        ("metadata", "169.254.169.254"),
        ("own-port", "127.0.0.1:8080"),
    ],
)
def test_an_endpoint_without_an_answer_of_s3_is_retried_in_the_same_words(
    shared: Space, name: str, endpoint: str
) -> None:
    """An outage is not a mistake of the user, and other words would let a user scan ports with the operator."""
    dataset = shared.wait("dataset", name, has("Reconciling", "True", "EndpointUnreachable"))
    assert endpoint in message(dataset)
    assert "no answer of an S3 service; check endpoint, port and certificate" in message(dataset)
    assert condition(dataset, "Stalled") is None


def test_a_source_without_a_secret_is_probed_by_a_job(shared: Space) -> None:
    """The operator never signs for a user with its own identity: here a Job without any keys finds that it has none."""
    dataset = shared.wait("dataset", "no-secret", has("Stalled", "True", "InvalidCredentials"), within=120)
    assert "probedAt" in dataset["status"]


def test_a_dataset_waits_until_its_secret_exists(shared: Space) -> None:
    """The order of applying does not matter: a Secret created later is noticed without a change of the Dataset."""
    waiting = shared.wait("dataset", "later", has("Reconciling", "True", "SecretNotFound"))
    assert '"later"' in message(waiting)
    shared.apply(_secret(shared, "later"))
    shared.wait("dataset", "later", current(digest_of(shared, "later/")))


def test_good_data_becomes_a_snapshot_whose_digest_can_be_recomputed(shared: Space) -> None:
    """The digest is the documented one of S3's own listing, and the digest of the manifest in the store."""
    digest = digest_of(shared, "good/")
    body = shared.wait("dataset", "good", current(digest))
    snapshot = body["status"]["snapshot"]
    assert (snapshot["objects"], snapshot["rows"], snapshot["bytes"]) == (3, 6, 3 * len(_GOOD))
    assert "candidate" not in body["status"]
    assert [snapshot["digest"] for snapshot in body["status"]["history"]] == [digest]
    assert "sha256:" + hashlib.sha256(_stored(shared, snapshot["manifest"])).hexdigest() == digest
    assert b"lvr" in _stored(shared, snapshot["profile"])
    assert has("Valid", "True", "Checked")(body)
    assert has("Reproducible", "True", "Pinned")(body)


def _stored(space: Space, uri: str) -> bytes:
    """Return the content of an object in the operator's store."""
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    content: bytes = space.cluster.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_an_empty_prefix_stalls_the_dataset_until_the_first_upload(shared: Space) -> None:
    """No objects below a prefix usually mean a wrong prefix, so the status names the prefix."""
    dataset = shared.wait("dataset", "empty", has("Stalled", "True", "EmptyPrefix"))
    assert f"s3://{shared.bucket}/empty/" in message(dataset)
    shared.upload("empty/a.csv", _GOOD)
    shared.wait("dataset", "empty", current(digest_of(shared, "empty/")))


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [("column", "SchemaViolated", '"deny"'), ("garbled", "Unreadable", "cannot be read as csv")],
)
def test_a_dataset_without_any_good_data_is_stalled_with_the_reason(
    shared: Space, name: str, reason: str, words: str
) -> None:
    """A missing column, or bytes that are not CSV, reject the first candidate: there is no snapshot at all."""
    dataset = shared.wait("dataset", name, has("Stalled", "True", reason))
    assert words in message(dataset)
    assert dataset["status"]["candidate"]["state"] == "Rejected"
    assert dataset["status"]["candidate"]["digest"] == digest_of(shared, f"{name}/")
    assert "snapshot" not in dataset["status"]
    assert has("Valid", "False", reason)(dataset)


def test_data_that_violates_the_schema_never_becomes_current(shared: Space) -> None:
    """A bad upload is rejected with the number and places of its violations, until good data arrives.

    The last good snapshot stays current meanwhile.
    """
    good = digest_of(shared, "bad/")
    shared.wait("dataset", "bad", current(good))

    shared.upload("bad/b.csv", "lvr,deny\n3.41,true\n0.5,\n9,false\n")
    dataset = shared.wait("dataset", "bad", has("Valid", "False", "SchemaViolated"))
    candidate = dataset["status"]["candidate"]
    assert (candidate["state"], candidate["digest"]) == ("Rejected", digest_of(shared, "bad/"))
    assert candidate["violations"] == 3
    assert any(
        'column "lvr": 2 of 3 values are above max 2' in example and "3.41" in example
        for example in candidate["examples"]
    )
    assert any('column "deny"' in example for example in candidate["examples"])
    assert has("Ready", "True", "CandidateRejected")(dataset)
    assert dataset["status"]["snapshot"]["digest"] == good
    assert [snapshot["digest"] for snapshot in dataset["status"]["history"]] == [good]

    shared.upload("bad/b.csv", _GOOD + "0.9,false\n")
    newest = digest_of(shared, "bad/")
    mended = shared.wait("dataset", "bad", current(newest))
    assert "candidate" not in mended["status"]
    assert [snapshot["digest"] for snapshot in mended["status"]["history"]] == [newest, good]
    assert has("Valid", "True", "Checked")(mended)


def test_data_that_violates_a_schema_with_on_violation_warn_becomes_current(shared: Space) -> None:
    """`onViolation: Warn` accepts readable data, and the status counts and shows its violations."""
    dataset = shared.wait("dataset", "warn", current(digest_of(shared, "warn/")))
    assert dataset["status"]["snapshot"]["violations"] == 1
    assert "3.41" in dataset["status"]["snapshot"]["examples"][0]
    assert has("Valid", "False", "SchemaViolated")(dataset)


def test_a_changed_schema_checks_the_same_data_again(shared: Space) -> None:
    """Data accepted by an old schema may be rejected by a new schema, and the other way round."""
    digest = digest_of(shared, "schema/")
    shared.wait("dataset", "schema", current(digest))
    shared.apply(_dataset(shared, "schema", {"schema": {"columns": [{"name": "lvr", "type": "number", "max": 0.6}]}}))
    dataset = shared.wait("dataset", "schema", has("Valid", "False", "SchemaViolated"))
    assert dataset["status"]["candidate"]["digest"] == dataset["status"]["snapshot"]["digest"] == digest
    assert has("Ready", "True", "CandidateRejected")(dataset)

    shared.apply(_dataset(shared, "schema", {"schema": {"columns": [{"name": "lvr", "type": "number", "max": 0.7}]}}))
    mended = shared.wait("dataset", "schema", lambda body: has("Ready")(body) and "candidate" not in body["status"])
    assert has("Valid", "True", "Checked")(mended)
    assert [snapshot["digest"] for snapshot in mended["status"]["history"]] == [digest]


def test_data_of_a_bucket_without_versioning_is_not_reproducible(shared: Space) -> None:
    """Data that can be overwritten for good is accepted, with a condition that names the bucket."""
    dataset = shared.wait("dataset", "plain", has("Ready"))
    assert has("Reproducible", "False", "BucketNotVersioned")(dataset)
    assert f"{shared.name}-plain" in message(dataset, "Reproducible")
    assert dataset["status"]["snapshot"]["versioned"] is False
    assert dataset["status"]["snapshot"]["objectVersions"][0]["versionId"] == "null"


def test_a_change_becomes_a_snapshot_once_it_has_settled(shared: Space) -> None:
    """Each further upload restarts the wait, and one snapshot has all uploads.

    The snapshot starts no sooner than `settle` after the last upload.
    """
    shared.wait("dataset", "settle", has("Stalled", "True", "EmptyPrefix"))
    shared.upload("settle/a.csv", _GOOD)
    first = digest_of(shared, "settle/")
    settling = shared.wait("dataset", "settle", has("Reconciling", "True", "ChangeSettling"))
    assert settling["status"]["candidate"]["digest"] == first
    assert settling["status"]["candidate"]["state"] == "Settling"
    assert "settling until" in message(settling, "Reconciling")

    shared.upload("settle/b.csv", _GOOD)
    digest = digest_of(shared, "settle/")
    moved = shared.wait("dataset", "settle", lambda body: body["status"].get("candidate", {}).get("digest") == digest)
    dataset = shared.wait("dataset", "settle", current(digest), within=120)
    assert [snapshot["digest"] for snapshot in dataset["status"]["history"]] == [digest]
    # A finished Job is deleted; the Events about its Pod stay.
    starts = {
        event["involvedObject"]["name"]: event["firstTimestamp"] or event["eventTime"]
        for event in shared.listed("events")
        if event["reason"] == "SuccessfulCreate" and event["involvedObject"]["name"].startswith("settle-")
    }
    (started,) = starts.values()
    waited = moment(started) - moment(moved["status"]["candidate"]["since"])
    assert waited.total_seconds() >= 14.0  # Times are in whole seconds.


def test_a_suspended_dataset_ignores_new_data_until_resumed(shared: Space) -> None:
    """`suspend` keeps the current snapshot: the source is not probed before the Dataset is resumed."""
    before = digest_of(shared, "suspend/")
    shared.wait("dataset", "suspend", current(before))
    shared.apply(_dataset(shared, "suspend", {"suspend": True}))
    shared.wait("dataset", "suspend", has("Ready", "True", "Suspended"))

    shared.upload("suspend/b.csv", _GOOD + "0.9,false\n")
    after = digest_of(shared, "suspend/")
    # A second Dataset of the same objects shows that there was time for a new snapshot.
    shared.apply(_dataset(shared, "witness", prefix="suspend/"))
    shared.wait("dataset", "witness", current(after))
    kept = shared.get("dataset", "suspend")
    assert kept["status"]["snapshot"]["digest"] == before
    assert has("Ready", "True", "Suspended")(kept)

    shared.apply(_dataset(shared, "suspend"))
    resumed = shared.wait("dataset", "suspend", current(after))
    assert [snapshot["digest"] for snapshot in resumed["status"]["history"]] == [after, before]


def test_no_text_and_no_protected_cell_is_in_any_object(shared: Space) -> None:
    """Who may read statuses, Events and logs finds where a violation is, and nothing about the people in the data."""
    dataset = shared.wait("dataset", "people", has("Valid", "False", "SchemaViolated"))
    examples = " ".join(dataset["status"]["candidate"]["examples"])
    for column in ("name", "lvr", "group", "deny"):
        assert f'column "{column}": ' in examples
    assert "people/a.csv row 3: 3.41" in examples
    for kind in ("datasets", "jobs", "pods", "events"):
        assert _CELL not in str(shared.listed(kind)), kind
    for pod in shared.listed("pods", "modelops.dev/dataset=people"):
        assert _CELL not in shared.cluster.kubectl("logs", "-n", shared.name, pod["metadata"]["name"])
