"""The input key: everything that decides the result is in it, nothing else is, and a difference can be told."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.input_key import Components, difference
from support.builders.common import digest

BASE = Components(
    datasets={"train": digest("a")},
    image="x@" + digest("b"),
    command=["python", "train.py"],
    args=["--fast"],
    env=[{"name": "A", "value": "1"}],
    parameters={"depth": "4"},
    nonce="",
    references={"ConfigMap c": digest("c")},
)


@pytest.mark.parametrize(
    "change",
    [
        {"datasets": {"train": digest("b")}},
        {"datasets": {"other": digest("a")}},
        {"image": "x:latest"},
        {"command": ["python train.py"]},
        {"args": []},
        {"env": []},
        {"parameters": {"depth": "5"}},
        {"workers": {"count": 2}},
        {"sweep": {"maxTrials": 2}},
        {"nonce": "again"},
        {"occurrence": "2026-03-01T12:00:00Z"},
        {"references": {"ConfigMap c": digest("d")}},
        {"references": {"Secret c": digest("c")}},
    ],
)
def test_every_component_counts(change: dict[str, Any]) -> None:
    """A run whose inputs differ in anything is never answered with another run's model."""
    assert replace(BASE, **change).key != BASE.key


def test_order_of_names_does_not_count() -> None:
    """Maps have no order: a manifest written otherwise is no reason to train again."""
    one = replace(BASE, parameters={"a": "1", "b": "2"}, datasets={"x": digest("a"), "y": digest("b")})
    other = replace(BASE, parameters={"b": "2", "a": "1"}, datasets={"y": digest("b"), "x": digest("a")})
    assert one.key == other.key


def test_a_key_stays_what_it_is() -> None:
    """A new version of the operator must find the models of the old one: change this only with KEY_SCHEMA."""
    empty = Components(datasets={}, image="i", command=["c"], args=[], env=[], parameters={})
    assert empty.key == "sha256:0492fc10b7f2516479e191043a3ecfd006efc6a822515ab8e343c892872c0c08"


@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_words_do_not_run_together(command: list[str], args: list[str]) -> None:
    """However words are cut, other words are another key."""
    assert (replace(BASE, command=command, args=args).key == BASE.key) == (
        command == BASE.command and args == BASE.args
    )


def test_a_miss_names_what_changed() -> None:
    """A person reads why it was trained again: which component, from what, to what."""
    other = replace(BASE, parameters={"depth": "5"}, datasets={"train": digest("f")}, nonce="n")
    told = difference(BASE.describe(), other.describe())
    assert f"dataset train: sha256:{'a' * 12}… → sha256:{'f' * 12}…" in told
    assert 'parameters: {"depth":"4"} → {"depth":"5"}' in told
    assert "nonce: none → n" in told
    assert "image" not in told
