"""Texts that the code can emit: all its strings, as templates. Pure, but for reading the sources."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.checkout import ROOT

SOURCES = ("operator/modelops", "hack", "examples")
_VALUE = re.compile(r'[\d"“”/{}<>=:@$…]|[a-z]-[a-z]|\w\.\w|^[^\w]*$|[a-z][A-Z]')
"""A word that only a value can be: with a digit or a quote, a path, a name with dashes or dots, or in camelCase."""
_CAMEL_CASE = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+")


@dataclass(frozen=True)
class Template:
    """A string of the code: its literal parts, between which values are filled in."""

    parts: tuple[str, ...]
    has_values: bool

    @property
    def words(self) -> int:
        """Number of words in the literal parts."""
        return len(re.findall(r"[A-Za-z]{2,}", " ".join(self.parts)))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Literal parts as groups. A string of a single word, such as "3 ms", counts only beside a number."""
        if self.words > 1:
            return re.compile(".*?".join(f"({re.escape(part.strip())})" for part in self.parts))
        literal = next(re.escape(part.strip()) for part in self.parts if re.search("[A-Za-z]{2}", part))
        return re.compile(rf"(?<!\S)\S*\d\S* ({literal})(?!\w)|(?<!\w)({literal})(?= \S*\d)")

    def spans(self, message: str) -> Iterator[tuple[int, int]]:
        """Yield where the literal parts stand in a message, in their order."""
        if all(part.strip() in message for part in self.parts):
            for match in self.pattern.finditer(message):
                yield from (match.span(group + 1) for group in range(match.re.groups))


def unknown_words(message: str) -> list[str]:
    """Return the words of a message that no string of the code has, and that are not values.

    Strings count where they stand as a whole. A message may be composed of several strings, as that of a step and that
    of what the step waits for.
    """
    emitted = [False] * len(message)
    for template in templates():
        for start, end in template.spans(message):
            emitted[start:end] = [True] * (end - start)
    return [
        word.group()
        for word in re.finditer(r"[^\s.,:;()%]\S*?(?=[.,:;()%]*(?:\s|$))", message)
        if not all(emitted[word.start() : word.end()])
        and not _VALUE.search(word.group())
        and word.group() not in ("is", "are")
    ]


@cache
def templates() -> tuple[Template, ...]:
    """Return the strings of at least two words, and those of one word beside a value."""
    found = {template for _, tree in _trees() for template in _strings(tree)}
    kept = (template for template in found if template.words > 1 or (template.words == 1 and template.has_values))
    return tuple(sorted(kept, key=lambda template: template.parts))


@cache
def reason_prefixes() -> tuple[str, ...]:
    """Return the beginnings of reasons that end with a value, such as AnalysisPassed."""
    return tuple(
        {
            node.values[0].value
            for _, tree in _trees()
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            and len(node.values) == 2
            and isinstance(node.values[0], ast.Constant)
            and isinstance(node.values[0].value, str)
            and re.fullmatch("[A-Z][a-z]{3,}", node.values[0].value)
        }
    )


@cache
def camel_case() -> frozenset[str]:
    """Return all strings that are one word in CamelCase, as reasons are."""
    return frozenset(
        node.value
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CAMEL_CASE.fullmatch(node.value)
    )


@cache
def reasons() -> dict[str, str]:
    """Return the reasons that the operator and the worker give in calls, and the file of each.

    A reason is an argument of one word in CamelCase. The functions that take such words for other purposes are listed.
    """
    found: dict[str, str] = {}
    for path, tree in _trees():
        file = str(path.relative_to(ROOT))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls if file.startswith(_WITH_REASONS) else ():
            if _name(call.func) in _NOT_OF_REASONS:
                continue
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                choices = (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,)
                for choice in choices:
                    text = choice.value if isinstance(choice, ast.Constant) else None
                    if isinstance(text, str) and _CAMEL_CASE.fullmatch(text):
                        found.setdefault(text, file)
    return found


_WITH_REASONS = tuple(f"operator/modelops/{name}" for name in ("controllers", "machinery", "worker", "store"))
_NOT_OF_REASONS = {
    "TypeVar",
    "NewType",
    "Resource",
    "_own",
    "cast",
    "get",
    "get_api_key_with_prefix",
    "is_owned_by",
    "replace",
}


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@cache
def _trees() -> tuple[tuple[Path, ast.Module], ...]:
    files = sorted(file for source in SOURCES for file in (ROOT / source).rglob("*.py"))
    return tuple((file, ast.parse(file.read_text())) for file in files)


def _strings(tree: ast.Module) -> Iterator[Template]:
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    ignored = documentation | parts
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield _template(node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ignored:
            yield Template((node.value,), has_values=False)


def _template(values: Iterable[ast.expr]) -> Template:
    texts = [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    return Template(tuple(text for text in texts if text.strip()), has_values=True)
