"""NetworkPolicies as rules of nftables: which packets between Pods pass."""

import re

import pytest

from support.network.rules import Body, Endpoint, Situation, ruleset

MODEL = Endpoint("team", {"component": "server"}, "10.0.0.1")
TRAINER = Endpoint("team", {"component": "trainer"}, "10.0.0.2")
STRANGER = Endpoint("other", {"component": "server"}, "10.0.0.3")
SITUATION = Situation([MODEL, TRAINER, STRANGER], {"team": {"name": "team"}, "other": {"name": "other"}})
OPEN = "0.0.0.0/0"


def policy(**spec: object) -> Body:
    """Return a policy of the namespace `team` for the Pods of models."""
    selector = {"podSelector": {"matchLabels": {"component": "server"}}}
    return {"metadata": {"namespace": "team", "name": "models"}, "spec": {**selector, **spec}}


def allowed(chain: str, *policies: Body) -> list[str]:
    """Return the matches that a chain lets pass."""
    text = ruleset("t", policies, SITUATION)
    found = re.search(rf"chain {chain} {{\n(.*?)\n  }}", text, re.DOTALL)
    assert found is not None, f"{text} has no chain {chain}"
    lines = [line.strip() for line in found[1].splitlines()]
    assert lines[-1].startswith("reject")
    return [line.removesuffix(" return").removesuffix("return") for line in lines[:-1]]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, [""]),
        ({"from": [{"podSelector": {}}]}, ["ip saddr 10.0.0.1", "ip saddr 10.0.0.2"]),
        ({"from": [{"namespaceSelector": {"matchLabels": {"name": "other"}}}]}, ["ip saddr 10.0.0.3"]),
        (
            {
                "from": [
                    {
                        "podSelector": {
                            "matchExpressions": [{"key": "component", "operator": "In", "values": ["trainer"]}]
                        }
                    }
                ]
            },
            ["ip saddr 10.0.0.2"],
        ),
        (
            {"from": [{"ipBlock": {"cidr": OPEN, "except": ["169.254.0.0/16"]}}]},
            ["ip saddr 0.0.0.0/0 ip saddr != 169.254.0.0/16"],
        ),
        ({"ports": [{"port": 8080}, {"protocol": "UDP", "port": 53}]}, ["tcp dport 8080", "udp dport 53"]),
        ({"from": [{"podSelector": {"matchLabels": {"component": "none"}}}], "ports": [{"port": 1}]}, []),
        ({"ports": [{"port": 1, "endPort": 9}]}, ["tcp dport 1-9"]),
    ],
)
def test_a_rule_allows_each_combination_of_its_peers_and_ports(rule: Body, expected: list[str]) -> None:
    assert allowed("ingress_10_0_0_1", policy(ingress=[rule])) == expected


def test_a_selected_pod_without_a_rule_accepts_nothing() -> None:
    assert allowed("ingress_10_0_0_1", policy()) == []
    assert allowed("egress_10_0_0_1", policy(policyTypes=["Egress"])) == []


def test_pods_that_no_policy_selects_are_left_alone() -> None:
    text = ruleset("t", [policy(ingress=[], egress=[])], SITUATION)
    assert "10_0_0_2" not in text
    assert "10_0_0_3" not in text


def test_policies_of_one_pod_allow_together() -> None:
    first, second = policy(ingress=[{"ports": [{"port": 1}]}]), policy(ingress=[{"ports": [{"port": 2}]}])
    assert allowed("ingress_10_0_0_1", first, second) == ["tcp dport 1", "tcp dport 2"]


def test_answers_pass_before_anything_is_refused() -> None:
    text = ruleset("t", [policy()], SITUATION)
    assert text.index("ct state established,related accept") < text.index("jump ingress")


def test_a_named_port_is_refused() -> None:
    with pytest.raises(ValueError, match="port http"):
        ruleset("t", [policy(ingress=[{"ports": [{"port": "http"}]}])], SITUATION)
