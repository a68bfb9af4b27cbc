"""Digests are promises that outlive every release: these tests say what they rest on."""

import hashlib

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


def test_digest_is_what_sha256sum_says():
    """Anyone can prove a dataset's digest with sha256sum and the manifest file, now and in ten years."""
    manifest = b"a.csv\x00v1\x0010\x00aa\nb.csv\x00v2\x0020\x00bb\n"
    lines = [manifest_line("b.csv", "v2", 20, "bb"), manifest_line("a.csv", "v1", 10, "aa")]
    assert dataset_digest(lines) == "sha256:" + hashlib.sha256(manifest).hexdigest()


@given(OBJECTS, st.randoms())
def test_order_does_not_matter(objects, random):
    """The order in which a service lists objects never makes new data of the same data."""
    shuffled = random.sample(objects, len(objects))
    assert dataset_digest(manifest_line(*one) for one in objects) == dataset_digest(
        manifest_line(*one) for one in shuffled
    )


@given(OBJECTS)
def test_built_up_digest_is_the_same(objects):
    """The probe's constant-memory digest and the one of a whole manifest agree, or a Dataset would never settle."""
    lines = sorted(manifest_line(*one) for one in objects)
    digest = DatasetDigest()
    for line in lines:
        digest.add(line)
    assert digest.value == dataset_digest(lines)


def test_built_up_digest_refuses_disorder():
    """Lines out of order are noticed, not hashed to something else."""
    digest = DatasetDigest()
    digest.add(b"b\n")
    with pytest.raises(OutOfOrderError):
        digest.add(b"a\n")


@given(OBJECTS, OBJECTS)
def test_different_objects_have_different_manifests(one, other):
    """No two listings share a manifest, whatever separators their keys contain."""
    text = b"".join(sorted(manifest_line(*each) for each in one))
    assert (text == b"".join(sorted(manifest_line(*each) for each in other))) == (sorted(one) == sorted(other))


@given(OBJECTS)
def test_manifest_reads_back(objects):
    """What a fetch reads from a manifest is exactly what the snapshot wrote."""
    assert list(manifest_entries(manifest_line(*one) for one in objects)) == objects


@pytest.mark.parametrize("key", ["a\0b", "a\nb", "\n", "half \ud800"])
def test_ambiguous_keys_are_refused(key):
    """A key that could pose as another line never gets into a manifest or an artifact's digest."""
    with pytest.raises(UnrepresentableNameError):
        manifest_line(key, "v", 1, "e")
    with pytest.raises(UnrepresentableNameError):
        artifact_digest([ArtifactFile(key, 1, "00")])


@pytest.mark.parametrize(
    "line", [b"", b"a\0v\n", b"a\0v\0x\0e\n", b"a\0v\0 1\0e\n", b"a\0v\x001\0e", b"\xff\0v\x001\0e\n"]
)
def test_damaged_manifests_are_refused(line):
    """A line that we cannot have written is never guessed at."""
    with pytest.raises(NotAManifestError):
        list(manifest_entries([line]))


FILES = st.lists(st.builds(ArtifactFile, TEXT, st.integers(0, 99), TEXT), max_size=6, unique=True)


@given(FILES, FILES)
def test_artifact_digest_tells_artifacts_apart(one, other):
    """Two models share a digest exactly when they have the same files."""
    assert (artifact_digest(one) == artifact_digest(other)) == (sorted(one) == sorted(other))


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_canonical_ignores_the_order_of_keys(value):
    """YAML written in another order is the same input: no run is repeated for it."""
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_canonical_text():
    """The exact bytes that keys are made of. A change here changes every key there is."""
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é"}) == '{"a":"é","b":[1,2.5,null,true]}'.encode()
    assert json_digest({}) == "sha256:" + hashlib.sha256(b"{}").hexdigest()
    assert short(json_digest({})) == hashlib.sha256(b"{}").hexdigest()[:8]


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, {1: "a"}, [{None: 1}], {"a": {1, 2}}, "\ud800"])
def test_what_json_would_bend_is_refused(value):
    """No two different values get one text."""
    with pytest.raises(NotCanonicalError):
        canonical_json(value)
