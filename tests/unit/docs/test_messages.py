"""Messages and reasons that pages quote. CONTRIBUTING says how a page quotes a message."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.checkout import ROOT
from support.emitted_texts import camel_case, reason_prefixes, reasons, unknown_words
from support.pages import PAGES, blocks, page_name, without_blocks

QUOTED = re.compile(r'"`([^`\n]+)`"')
OUTCOME = re.compile(r"^ *(?:Passed|Failed|Inconclusive|Error) +\S+(?: [\d.]+)?  +(\S.*)$", re.MULTILINE)
CONDITION = re.compile(r"^(?:Ready|Stalled|RolledBack) +(?:True|False)  [A-Z]\w+: (.+)$", re.MULTILINE)
REASON = re.compile(r"`([A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+)`")
FROM_ELSEWHERE = {
    "BackoffLimitExceeded": "the Job controller",
    "BadRequest": "the API server",
    "CreateContainerConfigError": "the kubelet",
    "CreateContainerError": "the kubelet",
    "ContainerCreating": "the kubelet",
    "CrashLoopBackOff": "the kubelet",
    "PodFailurePolicy": "the Job controller",
    "RunContainerError": "the kubelet",
}
"""Reasons that the operator takes over from others."""
KIND_PAGES = ["dataset", "trainingrun", "modelversion", "inferenceservice", "rollouts", "operations"]


def quoted_messages(page: Path) -> Iterator[str]:
    """Yield the messages that a page quotes."""
    text = page.read_text()
    for block in blocks(text, "message"):
        yield from filter(None, (line.strip() for line in block.splitlines()))
    yield from QUOTED.findall(without_blocks(text))
    for block in blocks(text, "console"):
        yield from OUTCOME.findall(block)
        yield from CONDITION.findall(block)
    for block in blocks(text, "yaml"):
        for document in yaml.safe_load_all(block):
            yield from _messages_of(document)


def _messages_of(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "message" and isinstance(value, str):
                yield value
            yield from _messages_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from _messages_of(item)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=page_name)
def test_every_quoted_message_is_one_that_the_code_emits(page: Path) -> None:
    """A user searches the docs for the message on the screen, and the screen for the message in the docs."""
    wrong = {message: words for message in quoted_messages(page) if (words := unknown_words(message))}
    assert not wrong, f"words that no string of the code has: {wrong}"


@pytest.mark.parametrize(
    "message",
    [
        "step 1/2 (20% of traffic): waiting for the moon to rise",
        "2/2 gates passed, and everybody is happy",
        "2 of 512 requests failed, 1% may",
    ],
)
def test_an_invented_message_is_recognised(message: str) -> None:
    """The test above would be worthless if any sentence passed."""
    assert unknown_words(message)


@pytest.mark.parametrize("name", KIND_PAGES)
def test_every_reason_of_a_page_is_in_the_code(name: str) -> None:
    """A user who waits for a reason in a script does not wait for ever."""
    tables = "\n".join(line for line in _page(name).splitlines() if line.startswith("|"))
    known = camel_case() | _words_of_the_api() | FROM_ELSEWHERE.keys()
    unknown = [word for word in REASON.findall(tables) if word not in known and not word.startswith(reason_prefixes())]
    assert not unknown


def test_every_reason_of_the_code_is_in_a_page() -> None:
    """A user finds what a reason means, and what to do."""
    pages = "\n".join(_page(name) for name in KIND_PAGES)
    missing = {reason: file for reason, file in reasons().items() if f"`{reason}`" not in pages}
    assert not missing


def _page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def _words_of_the_api() -> set[str]:
    """Return the CamelCase words of the definitions: kinds, and values of enumerations."""
    definitions = "\n".join(file.read_text() for file in (ROOT / "crds").glob("*.yaml"))
    return set(re.findall(r"\b[A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+\b", definitions))
