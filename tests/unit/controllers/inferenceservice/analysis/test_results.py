"""Messages of checks: short enough for the status, and with the checks' names in conditions and Events."""

from modelops.controllers.inferenceservice.analysis.results import check_result, describe_checks


def test_a_long_message_is_cut_to_what_the_status_takes() -> None:
    assert check_result("smoke", "Passed", "x" * 1024).message == "x" * 1024
    assert check_result("smoke", "Passed", "x" * 2000).message == "x" * 1023 + "…"


def test_checks_of_one_outcome_are_described_with_their_names() -> None:
    checks = [
        check_result("errorRate", "Failed", "2.5% (10 of 400 requests), above 1%"),
        check_result("latency 0.99", "Passed", "20 ms (400 requests), at most 200 ms"),
        check_result("smoke", "Failed", "3 of 12 answers wrong"),
    ]
    assert describe_checks(checks, "Failed") == (
        "errorRate: 2.5% (10 of 400 requests), above 1%; smoke: 3 of 12 answers wrong"
    )
    assert describe_checks(checks, "Error") == ""
