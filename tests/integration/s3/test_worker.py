"""The worker against a real S3: from data to a model and back."""

import hashlib
import json
import os
import threading
import time

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.store.listing import probe
from support import s3_server
from support.checkout import ROOT

HMDA = ROOT / "examples" / "mortgage" / "data" / "applications.csv"
DATA = HMDA.read_bytes() if HMDA.exists() else b'"","dir","black","deny"\n"1",0.2,"no","no"\n'


def snapshot_task(pod, client, bucket: str, store: str, **more) -> dict:
    seen = probe(client, S3Place(bucket=bucket, prefix="in/"), 10_000)
    return {
        "source": pod.place(bucket, "in/"),
        "store": pod.place(store, "ops"),
        "expectDigest": seen.digest,
        "format": {"type": "csv"},
        **more,
    }


def columns(*wanted: dict) -> dict:
    return {"schema": {"columns": list(wanted)}}


def body(client, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture
def buckets(client, new_bucket) -> tuple[str, str]:
    """A source with the mortgage data, and a store."""
    source, store = new_bucket(), new_bucket(versioned=False)
    client.put_object(Bucket=source, Key="in/hmda.csv", Body=DATA)
    return source, store


def test_a_snapshot_of_the_real_data(pod, client, buckets):
    """A snapshot's digest is its manifest's sha256sum, its profile is named by its own; again changes nothing."""
    source, store = buckets
    client.put_object(Bucket=source, Key="in/old.csv", Body=DATA)
    client.delete_object(Bucket=source, Key="in/old.csv")
    wanted = columns({"name": "dir", "type": "number", "min": 0, "max": 3}, {"name": "black", "type": "string"})
    task = snapshot_task(pod, client, source, store, **wanted)
    done = pod.run("snapshot", task)
    assert (done.exit_code, done.report.get("failure"), done.report.get("violations")) == (0, None, None), done.output
    report = done.report
    assert (report["rows"], report["objects"], report["bytes"]) == (DATA.count(b"\n") - 1, 1, len(DATA))
    assert report["versioned"]
    assert report["digest"] == task["expectDigest"]
    assert "sha256:" + hashlib.sha256(body(client, report["manifest"])).hexdigest() == report["digest"]
    profile = body(client, report["profile"])
    assert report["profile"] == f"s3://{store}/ops/datasets/profiles/sha256-{hashlib.sha256(profile).hexdigest()}.json"
    assert json.loads(profile)["rows"] == report["rows"]
    assert pod.run("snapshot", task).report == report
    assert not list(pod.root.glob("modelops-*")), "scratch is left behind"


def test_violations_keep_their_evidence(pod, client, buckets):
    """Bad content is no failure of the worker: it reports counts, and the operator decides by onViolation."""
    source, store = buckets
    client.put_object(Bucket=source, Key="in/z.csv", Body=b"dir,black\n9,no\nx,yes\n")
    client.put_object(Bucket=source, Key="in/zz.csv", Body=b"\xff\xfe\x00")
    wanted = columns({"name": "dir", "type": "number", "max": 3})
    report = pod.run("snapshot", snapshot_task(pod, client, source, store, **wanted)).report
    assert report["violations"]["total"] == 3
    assert "in/zz.csv is no readable CSV file" in report["violations"]["examples"][0]
    assert "1 of " in report["violations"]["examples"][1]
    assert "profile" not in report
    assert "failure" not in report


CHECKS = [
    {"rows": {"min": 2}},
    {"rowsChange": {"min": -0.5}},
    {"column": "dir", "drift": {"max": 0.2}},
    {"column": "black", "bias": {"metric": "ClassImbalance", "group": "yes", "max": 0.9}},
]


def test_checks_against_the_current_snapshot(pod, client, buckets):
    """The first snapshot has nothing to be compared with; the next one is measured against the first one's profile."""
    source, store = buckets
    more = {"schema": {"protected": ["black"]}, "checks": CHECKS}
    first = pod.run("snapshot", snapshot_task(pod, client, source, store, **more)).report
    assert [one["outcome"] for one in first["checks"]] == ["Passed", "Skipped", "Skipped", "Passed"]
    assert json.loads(body(client, first["profile"]))["bias"]["columns"][0]["name"] == "black"
    again = pod.run("snapshot", snapshot_task(pod, client, source, store, baseline=first["profile"], **more)).report
    assert [one.get("value") for one in again["checks"][1:3]] == [0, 0]
    client.put_object(Bucket=source, Key="in/hmda.csv", Body=b"dir,black\n2.5,yes\n2.6,no\n")
    worse = pod.run("snapshot", snapshot_task(pod, client, source, store, baseline=first["profile"], **more)).report
    assert [one["outcome"] for one in worse["checks"]] == ["Passed", "Failed", "Failed", "Passed"]
    assert "failure" not in worse


def test_a_baseline_that_is_not_what_it_was(pod, client, buckets):
    """Drift is never measured against a profile that is gone or altered; without such a check it is not looked at."""
    source, store = buckets
    profile = pod.run("snapshot", snapshot_task(pod, client, source, store)).report["profile"]
    key = profile.removeprefix(f"s3://{store}/")
    task = snapshot_task(pod, client, source, store, baseline=profile, checks=CHECKS[:3])
    client.put_object(Bucket=store, Key=key, Body=b"{}")
    done = pod.run("snapshot", task)
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "DigestMismatch")
    client.delete_object(Bucket=store, Key=key)
    done = pod.run("snapshot", task)
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "BaselineMissing")
    assert "failure" not in pod.run("snapshot", {**task, "checks": CHECKS[:1]}).report


def test_data_that_still_moves(pod, client, buckets):
    """A listing that is not the one the operator saw is never taken for it."""
    source, store = buckets
    task = snapshot_task(pod, client, source, store)
    client.put_object(Bucket=source, Key="in/b.csv", Body=DATA)
    done = pod.run("snapshot", task)
    assert done.exit_code == 42
    assert done.report["failure"]["reason"] == "SourceChanged"
    assert done.report["digest"] != task["expectDigest"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda pod, task: task["source"].update(prefix="nothing/"), "EmptyPrefix"),
        (lambda pod, task: task["source"].update(bucket="no-such-bucket"), "NoSuchBucket"),
        (lambda pod, task: task["source"].update(secretName="reader"), "AccessDenied"),
        (lambda pod, task: task["source"].update(secretName="none"), "InvalidCredentials"),
        (lambda pod, task: pod.secret("s3", "nobody", "x"), "InvalidCredentials"),
    ],
)
def test_what_a_person_must_mend(pod, client, buckets, change, reason):
    """Mistakes in a spec or a Secret end the Job at once, with the reason."""
    task = snapshot_task(pod, client, *buckets)
    change(pod, task)
    done = pod.run("snapshot", task)
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, reason)


def fetch_task(pod, client, buckets, **more) -> dict:
    source, store = buckets
    report = pod.run("snapshot", snapshot_task(pod, client, source, store)).report
    dataset = {
        "name": "train",
        "digest": report["digest"],
        "manifest": report["manifest"],
        "source": pod.place(source, "in/"),
    }
    return {
        "store": pod.place(store, "ops"),
        "datasets": [dataset],
        "hyperparameters": {"depth": "4"},
        "checkpoints": f"s3://{store}/ops/runs/one/",
        **more,
    }


def test_fetch_brings_the_pinned_data(pod, client, buckets):
    """The trainer finds the snapshot's bytes where SageMaker puts them, however the source has changed since."""
    source, _ = buckets
    for number in range(30):
        client.put_object(Bucket=source, Key=f"in/deep/{number}.csv", Body=b"dir\n%d\n" % number)
    task = fetch_task(pod, client, buckets, contentType={"train": "text/csv"})
    client.put_object(Bucket=source, Key="in/hmda.csv", Body=b"other")
    client.delete_object(Bucket=source, Key="in/deep/7.csv")
    done = pod.run("fetch", task)
    assert (done.exit_code, done.report) == (0, {"objects": 31, "bytes": done.report["bytes"]}), done.output
    data, config = pod.root / "ml/input/data/train", pod.root / "ml/input/config"
    assert (data / "hmda.csv").read_bytes() == DATA
    assert (data / "deep/7.csv").read_bytes() == b"dir\n7\n"
    assert json.loads((config / "hyperparameters.json").read_text()) == {"depth": "4"}
    assert json.loads((config / "inputdataconfig.json").read_text())["train"]["ContentType"] == "text/csv"
    assert json.loads((config / "resourceconfig.json").read_text())["current_host"] == "algo-1"
    assert all(os.access(pod.root / "shared/bin" / name, os.X_OK) for name in ("tini", "busybox", "supervise.sh"))


def test_fetch_refuses_what_is_not_the_snapshot(pod, client, buckets):
    """A version that is gone, a manifest that was altered, one that is missing: each has its reason."""
    source, store = buckets
    task = fetch_task(pod, client, buckets)
    manifest = task["datasets"][0]["manifest"].removeprefix(f"s3://{store}/")
    (version,) = (one["VersionId"] for one in client.list_object_versions(Bucket=source)["Versions"])
    client.delete_object(Bucket=source, Key="in/hmda.csv", VersionId=version)
    done = pod.run("fetch", task)
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "PinnedVersionMissing")
    client.put_object(Bucket=store, Key=manifest, Body=b"in/hmda.csv\0v\x001\0e\n")
    assert pod.run("fetch", task).report["failure"]["reason"] == "DigestMismatch"
    client.delete_object(Bucket=store, Key=manifest)
    done = pod.run("fetch", task)
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "ManifestMissing")


def trained(pod, files: dict[str, bytes], metrics: str = "{}") -> None:
    """What a trainer that succeeded leaves."""
    state = pod.root / "shared/state"
    (pod.root / "ml/output").mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True, exist_ok=True)
    if not (state / "alive").exists():
        os.mkfifo(state / "alive")
    (state / "started").touch()
    (state / "exit-code").write_text("0\n")
    (pod.root / "ml/output/metrics.json").write_text(metrics)
    for name, content in files.items():
        file = pod.root / "ml/model" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


MODEL = {"model.bin": b"weights" * 1000, "tokens/vocab.txt": b"a\nb\n", "empty": b""}


def sidecar_task(pod, store: str, seconds: float = 30, **more) -> dict:
    place = pod.place(store, "ops")
    return {"store": place, "publishTimeoutSeconds": seconds, "checkpoints": f"s3://{store}/ops/runs/one/", **more}


def published(pod, store: str) -> dict:
    trained(pod, MODEL, '{"accuracy": 0.9}')
    done = pod.run("sidecar", sidecar_task(pod, store))
    assert done.exit_code == 0, done.output
    return done.report


def test_a_model_comes_back_as_it_was(pod, client, new_bucket):
    """From trainer to server: the same files, proven by one digest; publishing the same model again changes nothing."""
    store = new_bucket()
    report = published(pod, store)
    assert report["metrics"] == {"accuracy": 0.9}
    artifact = report["artifact"]
    assert artifact["uri"] == f"s3://{store}/ops/models/sha256-{artifact['digest'].removeprefix('sha256:')}/"
    assert (artifact["files"], artifact["bytes"]) == (3, sum(map(len, MODEL.values())))
    assert published(pod, store) == report
    assert len(client.list_object_versions(Bucket=store)["Versions"]) == 3

    task = {"artifactUri": artifact["uri"], "digest": artifact["digest"], "store": pod.place(store)}
    done = pod.run("fetch-model", task)
    assert (done.exit_code, done.report) == (0, {"objects": 3, "bytes": artifact["bytes"]}), done.output
    models = pod.root / "models"
    assert {
        file.relative_to(models).as_posix(): file.read_bytes() for file in models.rglob("*") if file.is_file()
    } == MODEL
    assert os.access(pod.root / "shared/bin/drain.sh", os.X_OK)
    assert os.access(pod.root / "shared/bin/warm-up.sh", os.X_OK)


@pytest.mark.parametrize("wrong", ["changed", "added", "removed"])
def test_a_corrupted_model_is_never_served(pod, client, new_bucket, wrong):
    """Whatever was done to the artifact, the server finds no file of it."""
    store = new_bucket(versioned=False)
    artifact = published(pod, store)["artifact"]
    root = artifact["uri"].removeprefix(f"s3://{store}/")
    if wrong == "changed":
        client.put_object(Bucket=store, Key=root + "model.bin", Body=b"w3ights" * 1000)
    elif wrong == "removed":
        client.delete_object(Bucket=store, Key=root + "model.bin")
    else:
        client.put_object(Bucket=store, Key=root + "added", Body=b"x")
    done = pod.run(
        "fetch-model", {"artifactUri": artifact["uri"], "digest": artifact["digest"], "store": pod.place(store)}
    )
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "DigestMismatch")
    assert not list((pod.root / "models").iterdir())


def test_a_model_that_is_gone(pod, new_bucket):
    """An artifact that was deleted is told apart from one that was altered."""
    store = new_bucket()
    task = {"artifactUri": f"s3://{store}/none/", "digest": "sha256:" + "0" * 64, "store": pod.place(store)}
    done = pod.run("fetch-model", task)
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "ArtifactNotFound")


def test_publishing_waits_for_a_person(pod, client):
    """A store whose bucket is made while the sidecar waits gets the model: training is not lost to a missing bucket."""
    trained(pod, MODEL)
    bucket = "made-late"
    timer = threading.Timer(1.0, lambda: client.create_bucket(Bucket=bucket))
    timer.start()
    done = pod.run("sidecar", sidecar_task(pod, bucket))
    assert done.exit_code == 0, done.output
    assert "not found; create the bucket or correct the name" in done.output


@pytest.mark.parametrize("mounted", ["wrong keys", "no keys"])
def test_publishing_takes_a_secret_that_was_mended(pod, client, new_bucket, mounted):
    """The kubelet mounts a Secret anew while the Pod runs: a wrong key need not cost a model that is trained."""
    trained(pod, MODEL)
    bucket = new_bucket()
    task = sidecar_task(pod, bucket)
    task["store"]["secretName"] = "late"
    if mounted == "wrong keys":
        pod.secret("late", "nobody", "nothing")
    timer = threading.Timer(1.5, lambda: pod.secret("late", s3_server.ACCESS_KEY, s3_server.SECRET_KEY))
    timer.start()
    done = pod.run("sidecar", task)
    assert done.exit_code == 0, done.output
    assert done.report["artifact"]["files"] == len(MODEL)


def test_publishing_gives_up(pod):
    """After its timeout the sidecar says what kept it."""
    trained(pod, MODEL)
    began = time.monotonic()
    done = pod.run("sidecar", sidecar_task(pod, "never-made", 1))
    assert (done.exit_code, done.report["failure"]["reason"]) == (1, "PublishFailed")
    assert "not found; create the bucket or correct the name" in done.report["failure"]["message"]
    assert time.monotonic() - began < 15
