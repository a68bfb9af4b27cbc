#!/bin/sh
# promql-parser refuses a regular expression's escapes in PromQL's raw strings.
#
# Guess: a string in backticks has no escapes, as Prometheus documents it, so the usual way to write a regular
#        expression in PromQL parses, and means the same as the quoted string with doubled backslashes.
# Seen:  promql-parser 0.12.0 refuses backslash-d between backticks as an unknown escape sequence. With quotes and a
#        doubled backslash the same selector parses. A backslash that begins a known escape, such as backslash-t, is
#        kept between backticks as two characters.
#        Whoever reads users' queries with it refuses valid ones, and has to tell users to quote instead.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check promql-parser==0.12.0

"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata

import promql_parser

print("promql-parser", importlib.metadata.version("promql-parser"))


def value(query: str) -> str:
    try:
        (matcher,) = promql_parser.parse(query).matchers.matchers
    except ValueError as error:
        return f"ValueError: {error}"
    return repr(matcher.value)


seen = {query: value(query) for query in (r"up{path=~`\d+`}", r'up{path=~"\\d+"}', r"up{path=`a\tb`}")}
for query, outcome in seen.items():
    print(f"{query:24} {outcome}")
assert list(seen.values()) == ["ValueError: unknown escape sequence 'd'", r"'\\d+'", r"'a\\tb'"], "this has changed"
PYTHON
