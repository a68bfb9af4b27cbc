"""Profiles of small data sets, as the worker builds them, and baselines made of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelops.api.checks import DataCheck
from modelops.api.types import Schema
from modelops.worker.quality.baselines import Baseline
from modelops.worker.quality.profiling import Profile
from modelops.worker.tabular.readers import MalformedRows, read_batches

Json = Mapping[str, Any]


def column(*values: Any, name: str = "v") -> list[dict[str, Any]]:
    """Build the rows of a data set with one column."""
    return [{name: value} for value in values]


def profile_of(
    directory: Path, rows: Sequence[Json], *, schema: Json | None = None, checks: Sequence[DataCheck] = ()
) -> Profile:
    """Profile rows, which are read from a JSON Lines file in `directory`."""
    profile = Profile(Schema.model_validate(schema or {}), checks)
    (directory / "object").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for batch in read_batches(directory / "object", "object", "jsonl", MalformedRows()):
        profile.add(batch)
    return profile


def baseline_of(profile: Profile) -> Baseline:
    """Read a profile back from its JSON document, as the next snapshot does."""
    return Baseline.model_validate_json(json.dumps(profile.document("sha256:0", "jsonl")))
