"""Links between pages."""

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from support.checkout import ROOT
from support.pages import PAGES, page_name, prose, without_blocks

LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    found: set[str] = set()
    for heading in HEADING.findall(without_blocks(page.read_text())):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = "".join(letter for letter in words if letter in " -_" or unicodedata.category(letter)[0] in "LN")
        slug = anchor = kept.replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{slug}-{number}"
        found.add(anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_relative_link_resolves(page: Path) -> None:
    """The file is in the repository and, if the link names a heading, the page has the heading."""
    for target in LINK.findall(prose(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.is_relative_to(ROOT), f"{target} points outside the repository"
        assert to.exists(), f"{target}: {to.relative_to(ROOT)} does not exist"
        assert not anchor or anchor in anchors(to), f"{target}: {to.relative_to(ROOT)} has no such heading"


def test_the_index_of_decisions_lists_every_decision_by_its_title() -> None:
    """A reader finds a decision by the choice that was made."""
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in sorted((ROOT / "docs" / "decisions").glob("2*.md")):
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        assert f"| {page.name[:10]} | [{title}]({page.name}) |" in index, page.name
