"""Queries of a shared Prometheus: every selector is confined to the namespace, or the query is refused."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.promql import QueryRefusedError, confined

STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
"""A string as Go reads it, between double quotes."""
METRIC = re.compile(r"\b[up]+\b")
"""Name of a metric, in the letters of the properties below."""


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("1 + vector(2)", "1 + vector(2)"),
        ('up{namespace="team"}', 'up{namespace="team"}'),
        ("up{namespace='team'}", 'up{namespace="team"}'),
        ('{namespace="team",__name__=~"a|b"}', '{__name__=~"a|b",namespace="team"}'),
        ('sum(rate(x{namespace="team"}[5m])) # note', 'sum(rate(x{namespace="team"}[5m]))'),
        (
            'max_over_time(rate(x{namespace="team"}[5m])[1h:1m] @ end())/topk(3, y{namespace="team"} offset -1h)',
            'max_over_time(rate(x{namespace="team"}[5m])[1h:1m] @ end()) / topk(3, y{namespace="team"} offset -1h)',
        ),
        ('x{namespace="team",namespace="other"}', 'x{namespace="other",namespace="team"}'),
        (r'x{namespace="team",a=~"5\\d\"} or y"}', r'x{a=~"5\\d\"} or y",namespace="team"}'),
    ],
)
def test_a_confined_query_is_sent_as_the_parser_writes_it(query: str, sent: str) -> None:
    written = confined(query, "namespace", "team")
    assert " ".join(written.split()) == sent


@pytest.mark.parametrize(
    "query",
    [
        "up",
        'up{namespace="other"}',
        'up{namespace=~"team"}',
        'up{namespace!="team"}',
        'up{namespace=""}',
        'up{exported_namespace="team"}',
        '{__name__=~".+"}',
        'up{namespace="team"} or secret',
        'up{namespace="team"} + on() group_left() secret{a="b"}',
        'sum(rate(secret[5m])) + up{namespace="team"}',
        "max_over_time(secret[1h:])",
        "max_over_time(rate(secret[5m])[1h:] )",
        "-(((secret)))",
        'topk(scalar(secret), up{namespace="team"})',
        'label_replace(secret, "namespace", "team", "", "")',
        "absent(secret)",
        'info(up{namespace="team"})',
        'up{namespace="team" or a="b"}',
        'up{a="b" or namespace="team"}',
        'up{a="\\"} or up{namespace=\\"team", b="x"}',
    ],
)
def test_a_query_that_selects_series_of_others_is_refused(query: str) -> None:
    """Other teams' metrics are not readable through the operator, whatever the query does with their series."""
    with pytest.raises(QueryRefusedError, match=r'; add the matcher namespace="\{namespace\}"'):
        confined(query, "namespace", "team")


def test_a_text_that_is_not_promql_is_refused() -> None:
    with pytest.raises(QueryRefusedError, match="query is not PromQL"):
        confined("up{", "namespace", "team")


@given(texts=st.lists(st.text(st.sampled_from("\\\"'`{}=,#\n ab é\x00n0x"), max_size=12), min_size=1, max_size=3))
def test_no_value_breaks_out_of_its_string(texts: list[str]) -> None:
    """A value that ends its string early would end the selector too, and begin one that was not judged."""
    values = ",".join(f'a{number}="{_escaped(text)}"' for number, text in enumerate(texts))
    try:
        written = confined(f'up{{{values},namespace="team"}}', "namespace", "team")
    except QueryRefusedError:
        return
    outside = STRING.sub("", written)
    assert not set(outside) & set("\"'`\\#")
    assert (outside.count("{"), outside.count("}"), outside.count("up")) == (1, 1, 1)


@example(before="up", after="")
@given(
    before=st.text(st.sampled_from("up{}[]()\"'`\\=,#\n +"), max_size=12),
    after=st.text(st.sampled_from("up{}[]()\"'`\\=,#\n +"), max_size=12),
)
def test_no_text_around_a_confined_selector_adds_another(before: str, after: str) -> None:
    """Quotes of every kind, escapes and comments do not hide a selector from the parser that Prometheus would see."""
    try:
        written = confined(f'{before}up{{namespace="team"}}{after}', "namespace", "team")
    except QueryRefusedError:
        return
    outside = STRING.sub('""', written)
    assert not set(outside) & set("'`\\#")
    assert len(METRIC.findall(outside)) == outside.count('namespace=""')


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
