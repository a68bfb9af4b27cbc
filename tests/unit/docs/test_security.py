"""The tables of docs/security.md are those that the tests of the API server try."""

import os
import re

import pytest

from support.checkout import ROOT
from support.golden import UPDATE
from support.write_policies import Attempt, attempts, table

PAGE = ROOT / "docs" / "security.md"


@pytest.mark.parametrize(("heading", "rows"), attempts().items(), ids=[*attempts()])
def test_golden_table(heading: str, rows: list[Attempt]) -> None:
    """A reader relies on each answer: the page must have those that were tried.

    With the environment variable MODELOPS_UPDATE_GOLDEN set, write the table first.
    """
    shown = re.compile(rf"(?<=^### {re.escape(heading)}\n\n)(?:\|.*\n)*", re.MULTILINE)
    if os.environ.get(UPDATE):
        PAGE.write_text(shown.sub(table(rows).replace("\\", r"\\"), PAGE.read_text(), count=1))
    (found,) = shown.findall(PAGE.read_text()) or [""]
    assert found == table(rows), f"run {UPDATE}=1 pytest tests/unit -k golden"
