"""Queries of a Prometheus that namespaces share: each series that a query selects must be of one namespace. Pure."""

import promql_parser
from promql_parser import Call, Expr, MatchOp, VectorSelector


class QueryRefusedError(Exception):
    """The query cannot be shown to be confined; the message says why."""


def confined(query: str, label: str, namespace: str) -> str:
    """Return the query as the parser writes it, if every selector has the matcher `label="namespace"`.

    The parser and Prometheus may read an unusual text differently, so that neither the text itself nor anything that
    was added to it is sent: only what the parser writes, which is read again. Raises QueryRefusedError.
    """
    written = _checked(query, label, namespace)
    if _checked(written, label, namespace) != written:
        raise QueryRefusedError("query cannot be written again; write it in simpler terms")
    return written


def _checked(query: str, label: str, namespace: str) -> str:
    try:
        expression = promql_parser.parse(query)
    except ValueError as error:
        raise QueryRefusedError(f"query is not PromQL: {error}") from error
    open_selectors: list[str] = []

    def visit(part: Expr) -> None:
        # `info` selects series by itself.
        if isinstance(part, Call) and part.func.name == "info":
            open_selectors.append("info()")
        if isinstance(part, VectorSelector) and not _selects_only(part, label, namespace):
            open_selectors.append(part.prettify())

    promql_parser.walk(expression, pre_visit=visit)
    if open_selectors:
        raise QueryRefusedError(
            f'selector "{open_selectors[0]}" selects series of all namespaces; add the matcher {label}="{{namespace}}"'
        )
    return expression.prettify()


def _selects_only(selector: VectorSelector, label: str, namespace: str) -> bool:
    if selector.matchers.or_matchers:  # an extension of other servers
        return False
    return any(
        matcher.op == MatchOp.Equal and (matcher.name, matcher.value) == (label, namespace)
        for matcher in selector.matchers.matchers
    )
