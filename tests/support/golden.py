"""Compare an object with the YAML file that shows it whole: what a reader sees, and what an upgrade must not change."""

import os
from typing import Any

import yaml

from support.checkout import ROOT, TEST_DATA

UPDATE = "MODELOPS_UPDATE_GOLDEN"
_GOLDEN = TEST_DATA / "golden"
_HEADER = f"# Written by tests. After an intended change: {UPDATE}=1 pytest tests/unit -k golden, then read the diff.\n"


class _Dumper(yaml.SafeDumper):
    """Writes every object in full: a YAML alias would hide half of it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def assert_golden(name: str, body: dict[str, Any]) -> None:
    """Assert that `body` is the object in tests/data/golden/`name`, such as dataset-snapshot-job.yaml.

    With the environment variable MODELOPS_UPDATE_GOLDEN set, write the file first. Name such a test test_golden_….
    """
    text = _HEADER + yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=float("inf"))
    file = _GOLDEN / name
    if os.environ.get(UPDATE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.read_text() == text, f"the object differs from {file.relative_to(ROOT)}; {_HEADER[2:].strip()}"
