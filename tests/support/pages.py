"""The Markdown pages of the repository, and the parts of one."""

import re
from pathlib import Path

from support.checkout import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
_FENCE = re.compile(r"^(`{3,})(\w*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]*`")


def page_name(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return [content for _, found, content in _FENCE.findall(text) if found == language]


def without_blocks(text: str) -> str:
    """Return a page's text without its fenced blocks."""
    return _FENCE.sub("", text)


def prose(text: str) -> str:
    """Return a page's text without its fenced blocks and inline code."""
    return _INLINE_CODE.sub("", without_blocks(text))
