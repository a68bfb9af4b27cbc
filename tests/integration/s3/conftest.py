"""One SeaweedFS for all tests of this directory. Each test has its own buckets."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.store.client import S3Client, make_client
from modelops.store.credentials import Credentials
from support import s3_server, tools
from support.worker_pod import WorkerPod

_numbers = itertools.count()
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of this directory in one process: every process would start a server of its own."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.xdist_group("s3"))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_server.Seaweed]:
    """Running S3 service."""
    server = s3_server.start(tmp_path_factory.mktemp("seaweed"))
    yield server
    server.stop()


@pytest.fixture
def client(s3: s3_server.Seaweed) -> S3Client:
    """Client as the worker makes it, with all rights."""
    return make_client(
        S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    )


@pytest.fixture
def new_bucket(client: S3Client) -> Callable[..., str]:
    """Function that creates a bucket, versioned unless `versioned=False`, and returns its name."""

    def create(*, versioned: bool = True) -> str:
        name = f"bucket-{next(_numbers)}"
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    return create


@pytest.fixture
def pod(s3: s3_server.Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerPod:
    """Pod with the Secrets `s3` (all rights) and `reader` (may only read buckets named `open`)."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stand_in = tmp_path / "tool"
    stand_in.write_text("a static binary")
    environment = {
        "MODELOPS_SHARED": str(tmp_path / "shared"),
        "MODELOPS_ML_ROOT": str(tmp_path / "ml"),
        "MODELOPS_MODEL_DIR": str(tmp_path / "models"),
        "MODELOPS_CHECKPOINTS_DIR": str(tmp_path / "pinned"),
        "MODELOPS_CREDENTIALS_DIR": str(tmp_path / "credentials"),
        "MODELOPS_PROGRESS_PORT": "0",
        "MODELOPS_REPORT": str(tmp_path / "report.json"),
        "MODELOPS_BUSYBOX": str(tools.find("busybox") or stand_in),
        "MODELOPS_TINI": str(tools.find("tini") or stand_in),
    }
    pod = WorkerPod(tmp_path, s3.endpoint, environment)
    pod.secret("s3", s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    pod.secret("reader", s3_server.READER_KEY, s3_server.READER_SECRET)
    return pod
