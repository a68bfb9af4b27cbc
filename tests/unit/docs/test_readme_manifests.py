"""The README shows the example's manifests unchanged, and every relative link has a target."""

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
    """A manifest copied from the README is one that `make demo` applies."""
    blocks = [text for _, language, text in FENCE.findall((ROOT / "README.md").read_text()) if language == "yaml"]
    assert sorted(blocks) == sorted(file.read_text() for file in MANIFESTS.glob("*.yaml"))


def prose(page: Path) -> str:
    """Return a page without its code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    slugs: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text())):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = "".join(
            character for character in words if character in " -_" or unicodedata.category(character)[0] in "LN"
        )
        slug = anchor = kept.replace(" ", "-")
        number = 0
        while anchor in slugs:
            number += 1
            anchor = f"{slug}-{number}"
        slugs.add(anchor)
    return slugs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    """The file exists in the repository, and if the link names a heading, the page has that heading."""
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), f"{target} is outside the repository"
        assert file.exists(), f"{target}: {file.relative_to(ROOT)} does not exist"
        assert not anchor or anchor in anchors(file), f"{target}: {file.relative_to(ROOT)} has no such heading"
