"""Room on a node's disk for the directories of Pods: what is known to be needed, with a margin. Pure.

The kubelet evicts a Pod that writes more, so that one Pod cannot fill the disk of all others. It counts whole blocks of
the file system.
"""

from collections.abc import Iterable

from modelops.api.modelversion import OriginDataset
from modelops.machinery.settings import Disk

TOOLS = "64Mi"
"""Room for the programs that the operator's containers share with the user's."""
SMALL = "256Mi"
"""Room for the configuration, sockets and logs of a program of ours."""
RECORDS = "1Gi"
"""Room for manifests of checkpoints, and copies of what a trainer records."""
_MARGIN_BYTES = 1 << 30
_BYTES_PER_FILE = 8 << 10
"""Part of a last block, an entry in a directory, and a line in a manifest and a journal."""
_UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def room_for_files(bytes_: int, files: int = 0) -> str:
    """Return the quantity of disk that these files need at most."""
    return _quantity(_size(bytes_, files))


def room_for_reading(disk: Disk, bytes_: int, files: int) -> str:
    """Return the quantity of disk for reading these files: their copies, and what is remembered of their rows."""
    return _quantity(_size(bytes_, files) + _bytes(disk.scratch))


def room_for_input(disk: Disk, datasets: Iterable[OriginDataset]) -> str:
    """Return the quantity of disk for a run's copies of its data. Data on claims is not copied.

    Inputs that were pinned without their size get as much as what a trainer writes.
    """
    copied = [dataset for dataset in datasets if dataset.source is not None and dataset.source.s3 is not None]
    sizes = [dataset.bytes for dataset in copied if dataset.bytes is not None]
    if len(sizes) < len(copied):
        return room_for_training(disk)
    return room_for_files(sum(sizes), sum(dataset.objects for dataset in copied))


def room_for_scratch(disk: Disk) -> str:
    """Return the quantity of disk for /tmp of a user's container."""
    return _quantity(_bytes(disk.scratch))


def room_for_training(disk: Disk) -> str:
    """Return the quantity of disk for each of the directories that a trainer writes."""
    return _quantity(_bytes(disk.training))


def _size(bytes_: int, files: int) -> int:
    return bytes_ + bytes_ // 10 + files * _BYTES_PER_FILE + _MARGIN_BYTES


def _bytes(setting: str) -> int:
    return int(setting[:-2]) * _UNITS[setting[-2:]]


def _quantity(bytes_: int) -> str:
    """Return a number of bytes, rounded up to MiB, as the API server writes it back: in the largest unit that fits."""
    number, units = -(-bytes_ // _UNITS["Mi"]), ["Mi", "Gi", "Ti", "Pi", "Ei"]
    while number % 1024 == 0 and len(units) > 1:
        number //= 1024
        units.pop(0)
    return f"{number}{units[0]}"
