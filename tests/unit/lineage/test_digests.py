"""Digests must stay the same in every release: these tests state what they are computed from."""

import hashlib
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.digests import (
    ArtifactFile,
    DatasetDigest,
    NotAManifestError,
    NotCanonicalError,
    OutOfOrderError,
    PinnedObject,
    UnrepresentableNameError,
    artifact_digest,
    canonical_json,
    dataset_digest,
    json_digest,
    manifest_entries,
    manifest_line,
    short,
)

TEXT = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=12)
OBJECTS = st.lists(st.builds(PinnedObject, TEXT, TEXT, st.integers(0, 2**50), TEXT), max_size=8, unique=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def test_a_datasets_digest_is_the_sha256_of_its_manifest() -> None:
    """Anyone can verify a dataset's digest with sha256sum and the manifest file, now and in ten years."""
    manifest = b"a.csv\x00v1\x0010\x00aa\nb.csv\x00v2\x0020\x00bb\n"
    lines = [manifest_line("b.csv", "v2", 20, "bb"), manifest_line("a.csv", "v1", 10, "aa")]
    assert dataset_digest(lines) == "sha256:" + hashlib.sha256(manifest).hexdigest()


@given(OBJECTS, st.randoms())
def test_the_order_of_objects_does_not_change_the_digest(objects: list[PinnedObject], random: Random) -> None:
    """Another order in a service's listing is not new data."""
    shuffled = random.sample(objects, len(objects))
    assert dataset_digest(manifest_line(*pinned) for pinned in objects) == dataset_digest(
        manifest_line(*pinned) for pinned in shuffled
    )


@given(OBJECTS)
def test_the_incremental_digest_equals_that_of_the_whole_manifest(objects: list[PinnedObject]) -> None:
    """A probe computes the one, a snapshot the other: if they differed, a Dataset would never settle."""
    lines = sorted(manifest_line(*pinned) for pinned in objects)
    digest = DatasetDigest()
    for line in lines:
        digest.add(line)
    assert digest.value == dataset_digest(lines)


def test_the_incremental_digest_rejects_unsorted_lines() -> None:
    """Unsorted lines raise an error instead of giving another digest."""
    digest = DatasetDigest()
    digest.add(b"b\n")
    with pytest.raises(OutOfOrderError):
        digest.add(b"a\n")


@given(OBJECTS, OBJECTS)
def test_different_objects_have_different_manifests(objects: list[PinnedObject], others: list[PinnedObject]) -> None:
    """Two different listings never have the same manifest, whatever separators their keys contain."""
    manifest = b"".join(sorted(manifest_line(*pinned) for pinned in objects))
    other_manifest = b"".join(sorted(manifest_line(*pinned) for pinned in others))
    assert (manifest == other_manifest) == (sorted(objects) == sorted(others))


@given(OBJECTS)
def test_a_manifest_reads_back_as_it_was_written(objects: list[PinnedObject]) -> None:
    """A fetch reads exactly the objects that the snapshot wrote."""
    assert list(manifest_entries(manifest_line(*pinned) for pinned in objects)) == objects


@pytest.mark.parametrize("key", ["a\0b", "a\nb", "\n", "half \ud800"])
def test_ambiguous_keys_are_rejected(key: str) -> None:
    """A key that reads as another line is never part of a manifest or of an artifact's digest."""
    with pytest.raises(UnrepresentableNameError):
        manifest_line(key, "v", 1, "e")
    with pytest.raises(UnrepresentableNameError):
        artifact_digest([ArtifactFile(key, 1, "00")])


@pytest.mark.parametrize(
    "line", [b"", b"a\0v\n", b"a\0v\0x\0e\n", b"a\0v\0 1\0e\n", b"a\0v\x001\0e", b"\xff\0v\x001\0e\n"]
)
def test_damaged_manifests_are_rejected(line: bytes) -> None:
    """A line in another form than the operator writes raises an error."""
    with pytest.raises(NotAManifestError):
        list(manifest_entries([line]))


FILES = st.lists(st.builds(ArtifactFile, TEXT, st.integers(0, 99), TEXT), max_size=6, unique=True)


@given(FILES, FILES)
def test_artifacts_have_the_same_digest_only_with_the_same_files(
    files: list[ArtifactFile], others: list[ArtifactFile]
) -> None:
    """Two models have the same digest exactly when they have the same files."""
    assert (artifact_digest(files) == artifact_digest(others)) == (sorted(files) == sorted(others))


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_canonical_json_ignores_the_order_of_keys(value: dict[str, Any]) -> None:
    """YAML in another order is the same input, for which no training is repeated."""
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_canonical_json_has_exactly_these_bytes() -> None:
    """Input keys are digests of these bytes: a change here changes every existing key."""
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é"}) == '{"a":"é","b":[1,2.5,null,true]}'.encode()
    assert json_digest({}) == "sha256:" + hashlib.sha256(b"{}").hexdigest()
    assert short(json_digest({})) == hashlib.sha256(b"{}").hexdigest()[:8]


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, {1: "a"}, [{None: 1}], {"a": {1, 2}}, "\ud800"])
def test_values_that_json_cannot_represent_are_rejected(value: Any) -> None:
    """Two different values never have the same text."""
    with pytest.raises(NotCanonicalError):
        canonical_json(value)
