"""The README shows the example's manifests as they are, and no page links to what is not there."""

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from support.checkout import ROOT

MANIFESTS = ROOT / "examples" / "mortgage" / "manifests"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
FENCE = re.compile(r"^(`{3,})(\w*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def test_every_yaml_block_of_the_readme_is_a_manifest_and_every_manifest_is_there() -> None:
    """Whoever copies from the README gets what `make demo` applies."""
    shown = [text for _, language, text in FENCE.findall((ROOT / "README.md").read_text()) if language == "yaml"]
    assert sorted(shown) == sorted(file.read_text() for file in MANIFESTS.glob("*.yaml"))


def prose(page: Path) -> str:
    """A page without its code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text())):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = "".join(one for one in words if one in " -_" or unicodedata.category(one)[0] in "LN")
        slug = anchor = kept.replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{slug}-{number}"
        found.add(anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    """The file is in the repository, and where the link names a heading, the page has it."""
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert to.exists(), f"{target}: there is no {to.relative_to(ROOT)}"
        assert not anchor or anchor in anchors(to), f"{target}: {to.relative_to(ROOT)} has no such heading"
