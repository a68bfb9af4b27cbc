"""Room for directories: never less than what fits by right, and bounded by what is known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.modelversion import OriginDataset
from modelops.controllers.dataset import children as dataset_children
from modelops.controllers.disk import room_for_files, room_for_input
from modelops.controllers.inferenceservice.pod.quantities import canonical, to_integer
from modelops.machinery.settings import Disk
from support.builders.common import digest, settings
from support.builders.datasets import CLAIM, S3, dataset, snapshot

GIB = 1 << 30
MIB = 1 << 20


def pinned(size: int | None, source: Any = S3, objects: int = 1) -> OriginDataset:
    known = {} if size is None else {"bytes": size}
    without = {key: value for key, value in snapshot().items() if key != "bytes"}
    about = {"name": "train", "dataset": "mortgage", "source": source, "objects": objects}
    return OriginDataset.model_validate({**without, **about, **known})


@given(size=st.integers(0, 1 << 50), files=st.integers(0, 10**7))
def test_files_fit_into_their_room_with_their_blocks(size: int, files: int) -> None:
    """A file takes whole blocks: a legitimate run must not be evicted for them."""
    room = room_for_files(size, files)
    assert to_integer(room) >= size + files * 4096 + GIB // 2
    assert to_integer(room) <= size * 1.1 + files * 8192 + GIB + MIB
    assert canonical(room) == room


@pytest.mark.parametrize(
    ("datasets", "room"),
    [
        pytest.param([], "1Gi", id="a run without data needs little"),
        pytest.param([pinned(10 * GIB), pinned(10 * GIB)], "23553Mi", id="data is copied as a whole"),
        pytest.param([pinned(10 * GIB, CLAIM)], "1Gi", id="data on a claim is not copied"),
        pytest.param([pinned(None), pinned(10 * GIB)], "500Gi", id="data of unknown size gets the chart's limit"),
        pytest.param([pinned(None, CLAIM)], "1Gi", id="data on a claim has no size here"),
    ],
)
def test_a_trainers_input_has_room_for_its_data(datasets: list[OriginDataset], room: str) -> None:
    """Known sizes bound the directory, and unknown ones do not stop a run."""
    assert room_for_input(Disk(), datasets) == room


@pytest.mark.parametrize(
    ("status", "room"),
    [
        pytest.param({}, "51Gi", id="a source that was never seen"),
        pytest.param({"snapshot": snapshot(bytes=100 * GIB, objects=0)}, "161Gi", id="a source that was seen"),
    ],
)
def test_a_snapshot_has_room_for_its_data_and_for_its_rows(status: Any, room: str) -> None:
    """A single object may be as large as all data, and it is read from the disk."""
    job = dataset_children.snapshot_job(dataset(status=status), digest("a"), settings())
    (volume,) = [volume for volume in job["spec"]["template"]["spec"]["volumes"] if volume["name"] == "scratch"]
    assert volume["emptyDir"]["sizeLimit"] == room
