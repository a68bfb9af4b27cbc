"""The settings decide where in the store each namespace has its objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelops.machinery.settings import Store
from modelops.store.layout import checkpoints_of, history_of, manifest_of, model_of, packages_of, profile_of
from support.builders.common import digest

DNS_LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
URLS = st.sampled_from(["s3://ml", "s3://ml/", "s3://ml/p", "s3://ml/p/q/", "s3://ml/team-a"])


def locations(store: Store, namespace: str) -> list[tuple[str, str]]:
    """Return the bucket and key of one object, or prefix, of every kind that is kept."""
    place = store.place_of(namespace)
    return [
        checkpoints_of(place, "train", "1" * 64),
        *(of(place, digest("a")) for of in (manifest_of, profile_of, model_of, history_of, packages_of)),
    ]


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://ml/p", "p/team-a/"),
        ("s3://ml/p/", "p/team-a/"),
        ("s3://ml//p/q//", "p/q/team-a/"),
        ("s3://ml", "team-a/"),
        ("s3://ml/", "team-a/"),
    ],
)
def test_a_namespace_has_its_prefix_below_the_stores(url: str, prefix: str) -> None:
    """A policy for `<prefix>/<namespace>/*` covers the namespace, however the prefix is written."""
    place = Store(url=url, secret_name="s3").place_of("team-a")
    assert (place.bucket, place.prefix, place.secret_name) == ("ml", prefix, "s3")


@given(URLS, DNS_LABELS)
def test_everything_of_a_namespace_is_below_its_prefix(url: str, namespace: str) -> None:
    """Whatever is kept for a namespace is under the one prefix that its credentials may use."""
    store = Store(url=url)
    place = store.place_of(namespace)
    assert place.prefix.endswith(f"{namespace}/")
    for bucket, key in locations(store, namespace):
        assert bucket == place.bucket
        assert key.startswith(place.prefix)


@given(URLS, st.lists(DNS_LABELS, min_size=2, max_size=2, unique=True))
def test_no_namespace_has_an_object_below_the_prefix_of_another(url: str, namespaces: list[str]) -> None:
    """Credentials for one namespace's prefix open nothing of another, also where one name begins with the other."""
    store = Store(url=url)
    one, other = namespaces
    prefix = store.place_of(one).prefix
    assert not any(key.startswith(prefix) for _, key in locations(store, other))


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("s3://ml/p/team-a/models/x/", True),
        ("s3://ml/p/team-a/imported/", True),
        ("s3://ml/p/team-b/models/x/", False),
        ("s3://ml/p/team-ab/models/x/", False),
        ("s3://ml/p/team-a/../team-b/models/x/", False),
        ("s3://ml/p/team-a/./x/", False),
        ("s3://ml/p/team-a//x/", False),
        ("s3://ml/p/", False),
        ("s3://other/p/team-a/models/x/", False),
        ("s3://imported/team-a/x/", True),
        ("s3://imported/team-b/x/", False),
        ("s3://public/x/", True),
        ("s3://public/../ml/p/team-b/x/", False),
        ("s3://publicity/x/", False),
    ],
)
def test_an_artifact_lies_below_the_namespaces_prefix_or_below_an_import_prefix(uri: str, allowed: bool) -> None:
    """Nobody serves what lies under another namespace's prefix by naming it."""
    store = Store(url="s3://ml/p", import_prefixes=["s3://imported/{namespace}/", "s3://public/"])
    assert store.allows_artifact(uri, "team-a") == allowed


@pytest.mark.parametrize("prefix", ["s3://public", "s3://", "public/", "s3://public//", "https://public/"])
def test_an_import_prefix_ends_with_a_slash(prefix: str) -> None:
    """Without its slash a prefix would also allow all names that only begin with it."""
    with pytest.raises(ValidationError, match="import"):
        Store(url="s3://ml/p", import_prefixes=[prefix])
