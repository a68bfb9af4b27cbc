"""The input key has everything that determines the result, and nothing else; differences can be named."""

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
        pytest.param({"datasets": {"train": digest("b")}}, id="another snapshot of the same channel"),
        pytest.param({"datasets": {"other": digest("a")}}, id="the same snapshot under another channel"),
        pytest.param({"image": "x:latest"}, id="another image"),
        pytest.param({"command": ["python train.py"]}, id="the same words split otherwise"),
        pytest.param({"args": []}, id="no arguments"),
        pytest.param({"env": []}, id="no environment variables"),
        pytest.param({"parameters": {"depth": "5"}}, id="another value of a parameter"),
        pytest.param({"workers": {"count": 2}}, id="more workers"),
        pytest.param({"sweep": {"maxTrials": 2}}, id="a sweep"),
        pytest.param({"nonce": "again"}, id="another nonce"),
        pytest.param({"occurrence": "2026-03-01T12:00:00Z"}, id="another time of the schedule"),
        pytest.param({"references": {"ConfigMap c": digest("d")}}, id="another content of a ConfigMap"),
        pytest.param({"references": {"Secret c": digest("c")}}, id="a Secret in place of a ConfigMap"),
    ],
)
def test_every_component_changes_the_key(change: dict[str, Any]) -> None:
    """A run whose inputs differ in anything never reuses another run's model."""
    assert replace(BASE, **change).key != BASE.key


def test_the_order_of_names_does_not_change_the_key() -> None:
    """Maps have no order: a manifest with its fields in another order is not a reason to train again."""
    first = replace(BASE, parameters={"a": "1", "b": "2"}, datasets={"x": digest("a"), "y": digest("b")})
    other = replace(BASE, parameters={"b": "2", "a": "1"}, datasets={"y": digest("b"), "x": digest("a")})
    assert first.key == other.key


def test_a_key_stays_the_same_in_later_releases() -> None:
    """A new version of the operator must find the models of the old one: change this value only with KEY_SCHEMA."""
    empty = Components(datasets={}, image="i", command=["c"], args=[], env=[], parameters={})
    assert empty.key == "sha256:0492fc10b7f2516479e191043a3ecfd006efc6a822515ab8e343c892872c0c08"


@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_command_and_args_are_not_joined(command: list[str], args: list[str]) -> None:
    """The same words divided otherwise between command and args give another key."""
    assert (replace(BASE, command=command, args=args).key == BASE.key) == (
        command == BASE.command and args == BASE.args
    )


def test_a_difference_names_each_changed_component() -> None:
    """A person reads why the run trained again: which component changed, from what, to what."""
    other = replace(BASE, parameters={"depth": "5"}, datasets={"train": digest("f")}, nonce="n")
    text = difference(BASE.describe(), other.describe())
    assert f"dataset train: sha256:{'a' * 12}… → sha256:{'f' * 12}…" in text
    assert 'parameters: {"depth":"4"} → {"depth":"5"}' in text
    assert "nonce: none → n" in text
    assert "image" not in text
