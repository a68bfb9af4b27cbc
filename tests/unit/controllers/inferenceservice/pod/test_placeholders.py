"""Placeholders of runtimes and queries."""

from modelops.controllers.inferenceservice.pod.placeholders import fill_placeholders


def test_known_placeholders_are_replaced_and_other_braces_stay() -> None:
    values = {"model_name": "mortgage", "http_port": "8081"}
    text = "--name={model_name} --port {http_port} {unknown} {{model_name}} {}"
    assert fill_placeholders(text, values) == "--name=mortgage --port 8081 {unknown} {mortgage} {}"


def test_values_are_not_filled_again() -> None:
    assert fill_placeholders("{a} {b}", {"a": "{b}", "b": "{a}"}) == "{b} {a}"
