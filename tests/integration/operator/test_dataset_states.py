"""Datasets in every state, on a real bucket: what the status says is what a person must do."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from hack import store
from hack.deploy import ACCESS_KEY, ENDPOINT, SECRET_KEY
from support import real_cluster
from support.real_cluster import Body, RealCluster, Space, condition, has, moment
from support.real_datasets import current, digest_of, message, reason

_GOOD = "lvr,deny\n0.5,true\n0.7,false\n"
_SCHEMA: Body = {
    "columns": [
        {"name": "lvr", "type": "number", "min": 0, "max": 2},
        {"name": "deny", "type": "boolean", "nullable": False},
    ]
}


def _secret(space: Space, name: str, secret_key: str = SECRET_KEY) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": space.name},
        "stringData": {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": secret_key},
    }


@pytest.fixture(scope="module")
def begun(cluster: RealCluster) -> Iterator[Space]:
    """Datasets of one namespace, all begun at once since each takes a Job: a test looks at its own alone."""
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
    space.upload("garbled/a.csv", b"PAR1\x00\xff\xfe\x00\n\xff\n")
    space.apply(
        _secret(space, "wrong", "not-the-secret"),
        _dataset(space, "no-bucket", bucket="there-is-no-such-bucket"),
        _dataset(space, "no-access", secretRef={"name": "wrong"}),
        _dataset(space, "no-port", endpoint=ENDPOINT.replace("8333", "8399")),
        _dataset(space, "no-name", endpoint="http://nowhere.invalid:8333"),
        _dataset(space, "no-s3", endpoint="http://modelops-metrics.modelops-system.svc:8080"),
        _dataset(space, "later", secretRef={"name": "later"}),
        _dataset(space, "empty"),
        _dataset(space, "bad", {"schema": _SCHEMA}),
        _dataset(space, "good", {"schema": _SCHEMA}),
        _dataset(space, "schema"),
        _dataset(space, "suspend"),
        _dataset(space, "settle", {"settle": "15s"}),
        _dataset(space, "warn", {"schema": {**_SCHEMA, "onViolation": "Warn"}}),
        _dataset(space, "column", {"schema": _SCHEMA}),
        _dataset(space, "garbled"),
        _dataset(space, "plain", bucket=plain),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _dataset(space: Space, name: str, spec: Body | None = None, **source: Any) -> Body:
    """A Dataset of the prefix of its name."""
    whole = {"bucket": space.bucket, "prefix": f"{name}/", "endpoint": ENDPOINT, "region": "us-east-1"}
    s3 = {**whole, "secretRef": {"name": "s3"}, **source}
    return space.object("Dataset", name, {"source": {"s3": s3}, "interval": "1s", "settle": "0s", **(spec or {})})


@pytest.mark.parametrize(
    ("name", "reasons", "words"),
    [
        ("no-bucket", {"NoSuchBucket"}, ('"there-is-no-such-bucket"', ENDPOINT, "create it or correct its name")),
        ("no-access", {"InvalidCredentials", "AccessDenied"}, ("credentials", ENDPOINT)),
        ("no-s3", {"EndpointNotS3", "NoSuchBucket", "AccessDenied", "S3Error"}, ("modelops-metrics",)),
    ],
)
def test_a_source_that_says_no_says_what_to_do(
    begun: Space, name: str, reasons: set[str], words: tuple[str, ...]
) -> None:
    """Each way in which a source is wrong has a reason of its own, and a sentence that names the place."""
    told = begun.wait("dataset", name, has("Stalled"))
    assert reason(told) in reasons
    assert condition(told, "Ready")["status"] == "False"  # type: ignore[index]
    for word in words:
        assert word in message(told)
    assert "snapshot" not in told["status"]
    assert begun.listed("jobs", f"modelops.dev/dataset={name}") == []


@pytest.mark.parametrize(("name", "place"), [("no-port", ":8399"), ("no-name", "nowhere.invalid")])
def test_a_source_that_does_not_answer_is_asked_again(begun: Space, name: str, place: str) -> None:
    """A service that is down is no mistake of the user's: the Dataset is not stalled, and says what it waits for."""
    told = begun.wait("dataset", name, has("Reconciling", "True", "EndpointUnreachable"))
    assert place in message(told)
    assert condition(told, "Stalled") is None


def test_a_dataset_waits_for_its_secret(begun: Space) -> None:
    """What is applied in any order converges: the Secret's arrival is seen without anybody touching the Dataset."""
    waiting = begun.wait("dataset", "later", has("Reconciling", "True", "SecretNotFound"))
    assert '"later"' in message(waiting)
    begun.apply(_secret(begun, "later"))
    begun.wait("dataset", "later", current(digest_of(begun, "later/")))


def test_good_data_becomes_a_snapshot_that_anybody_can_recompute(begun: Space) -> None:
    """The digest is what the documentation says, over what S3 itself lists, and the manifest in the store is the list
    that it is the digest of.
    """
    digest = digest_of(begun, "good/")
    body = begun.wait("dataset", "good", current(digest))
    snapshot = body["status"]["snapshot"]
    assert (snapshot["objects"], snapshot["rows"], snapshot["bytes"]) == (3, 6, 3 * len(_GOOD))
    assert "candidate" not in body["status"]
    assert [one["digest"] for one in body["status"]["history"]] == [digest]
    assert "sha256:" + hashlib.sha256(_stored(begun, snapshot["manifest"])).hexdigest() == digest
    assert b"lvr" in _stored(begun, snapshot["profile"])
    assert has("Valid", "True", "Checked")(body)
    assert has("Reproducible", "True", "Pinned")(body)


def _stored(space: Space, uri: str) -> bytes:
    """What is in the operator's store."""
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    content: bytes = space.cluster.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_nothing_below_a_prefix_is_told(begun: Space) -> None:
    """No data is more often a wrong prefix than an empty one: it is told, and mended by the first upload."""
    told = begun.wait("dataset", "empty", has("Stalled", "True", "EmptyPrefix"))
    assert f"s3://{begun.bucket}/empty/" in message(told)
    begun.upload("empty/a.csv", _GOOD)
    begun.wait("dataset", "empty", current(digest_of(begun, "empty/")))


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [("column", "SchemaViolated", '"deny"'), ("garbled", "Unreadable", "cannot be read as csv")],
)
def test_data_that_was_never_good_is_told(begun: Space, name: str, reason: str, words: str) -> None:
    """A column that is not there, and bytes that are no CSV: a Dataset without any good data stands still, and says
    why.
    """
    told = begun.wait("dataset", name, has("Stalled", "True", reason))
    assert words in message(told)
    assert told["status"]["candidate"]["state"] == "Rejected"
    assert told["status"]["candidate"]["digest"] == digest_of(begun, f"{name}/")
    assert "snapshot" not in told["status"]
    assert has("Valid", "False", reason)(told)


def test_bad_data_never_becomes_current(begun: Space) -> None:
    """A bad upload costs nothing but its own rejection: told with how many violations and where, while the last good
    snapshot stays, and until good data comes.
    """
    good = digest_of(begun, "bad/")
    begun.wait("dataset", "bad", current(good))

    begun.upload("bad/b.csv", "lvr,deny\n3.41,true\n0.5,\n9,false\n")
    told = begun.wait("dataset", "bad", has("Valid", "False", "SchemaViolated"))
    candidate = told["status"]["candidate"]
    assert (candidate["state"], candidate["digest"]) == ("Rejected", digest_of(begun, "bad/"))
    assert candidate["violations"] == 3
    assert any('column "lvr": 2 of 3 values are above max 2' in one and "3.41" in one for one in candidate["examples"])
    assert any('column "deny"' in one for one in candidate["examples"])
    assert has("Ready", "True", "CandidateRejected")(told)
    assert told["status"]["snapshot"]["digest"] == good
    assert [one["digest"] for one in told["status"]["history"]] == [good]

    begun.upload("bad/b.csv", _GOOD + "0.9,false\n")
    newest = digest_of(begun, "bad/")
    mended = begun.wait("dataset", "bad", current(newest))
    assert "candidate" not in mended["status"]
    assert [one["digest"] for one in mended["status"]["history"]] == [newest, good]
    assert has("Valid", "True", "Checked")(mended)


def test_with_warn_bad_data_becomes_current_and_says_so(begun: Space) -> None:
    """`onViolation: Warn` takes what can be read, and says what is wrong with it."""
    taken = begun.wait("dataset", "warn", current(digest_of(begun, "warn/")))
    assert taken["status"]["snapshot"]["violations"] == 1
    assert "3.41" in taken["status"]["snapshot"]["examples"][0]
    assert has("Valid", "False", "SchemaViolated")(taken)


def test_another_schema_checks_the_same_data_again(begun: Space) -> None:
    """What was good by the old schema is not good by the new one before it was checked, and the other way round."""
    digest = digest_of(begun, "schema/")
    begun.wait("dataset", "schema", current(digest))
    begun.apply(_dataset(begun, "schema", {"schema": {"columns": [{"name": "lvr", "type": "number", "max": 0.6}]}}))
    told = begun.wait("dataset", "schema", has("Valid", "False", "SchemaViolated"))
    assert told["status"]["candidate"]["digest"] == told["status"]["snapshot"]["digest"] == digest
    assert has("Ready", "True", "CandidateRejected")(told)

    begun.apply(_dataset(begun, "schema", {"schema": {"columns": [{"name": "lvr", "type": "number", "max": 0.7}]}}))
    mended = begun.wait("dataset", "schema", lambda body: has("Ready")(body) and "candidate" not in body["status"])
    assert has("Valid", "True", "Checked")(mended)
    assert [one["digest"] for one in mended["status"]["history"]] == [digest]


def test_a_bucket_without_versions_is_told(begun: Space) -> None:
    """Data that can be overwritten for good is taken, and never called reproducible."""
    taken = begun.wait("dataset", "plain", has("Ready"))
    assert has("Reproducible", "False", "BucketNotVersioned")(taken)
    assert f"{begun.name}-plain" in message(taken, "Reproducible")
    assert taken["status"]["snapshot"]["versioned"] is False
    assert taken["status"]["snapshot"]["objectVersions"][0]["versionId"] == "null"


def test_a_change_counts_once_it_has_held_still(begun: Space) -> None:
    """Uploads are rarely one object: each further one starts the wait anew, and one snapshot is taken of all, no sooner
    than `settle` after the last.
    """
    begun.wait("dataset", "settle", has("Stalled", "True", "EmptyPrefix"))
    begun.upload("settle/a.csv", _GOOD)
    first = digest_of(begun, "settle/")
    seen = begun.wait("dataset", "settle", has("Reconciling", "True", "ChangeSettling"))
    assert seen["status"]["candidate"]["digest"] == first
    assert seen["status"]["candidate"]["state"] == "Settling"
    assert "settling until" in message(seen, "Reconciling")

    begun.upload("settle/b.csv", _GOOD)
    digest = digest_of(begun, "settle/")
    moved = begun.wait("dataset", "settle", lambda body: body["status"].get("candidate", {}).get("digest") == digest)
    taken = begun.wait("dataset", "settle", current(digest), within=120)
    assert [one["digest"] for one in taken["status"]["history"]] == [digest]
    # A Job goes when it has nothing more to say; what Kubernetes told of its Pod stays.
    made = {
        one["involvedObject"]["name"]: one["firstTimestamp"] or one["eventTime"]
        for one in begun.listed("events")
        if one["reason"] == "SuccessfulCreate" and one["involvedObject"]["name"].startswith("settle-")
    }
    (started,) = made.values()
    waited = moment(started) - moment(moved["status"]["candidate"]["since"])
    assert waited.total_seconds() >= 14.0  # Times are in whole seconds.


def test_a_suspended_dataset_is_not_looked_at(begun: Space) -> None:
    """`suspend` freezes what is current: new data is not looked at before the Dataset is resumed."""
    before = digest_of(begun, "suspend/")
    begun.wait("dataset", "suspend", current(before))
    begun.apply(_dataset(begun, "suspend", {"suspend": True}))
    begun.wait("dataset", "suspend", has("Ready", "True", "Suspended"))

    begun.upload("suspend/b.csv", _GOOD + "0.9,false\n")
    after = digest_of(begun, "suspend/")
    # Another Dataset of the same objects has taken the change: there was time to.
    begun.apply(_dataset(begun, "witness", prefix="suspend/"))
    begun.wait("dataset", "witness", current(after))
    kept = begun.get("dataset", "suspend")
    assert kept["status"]["snapshot"]["digest"] == before
    assert has("Ready", "True", "Suspended")(kept)

    begun.apply(_dataset(begun, "suspend"))
    resumed = begun.wait("dataset", "suspend", current(after))
    assert [one["digest"] for one in resumed["status"]["history"]] == [after, before]
