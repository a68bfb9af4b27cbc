"""The rules of nftables that carry NetworkPolicies out, as the API of NetworkPolicy defines their meaning. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Endpoint:
    """Pod with its address, as far as policies select Pods."""

    namespace: str
    labels: Labels
    address: str


@dataclass(frozen=True)
class Situation:
    """What policies are applied to: Pods, and the labels of each namespace."""

    endpoints: Sequence[Endpoint]
    namespaces: Mapping[str, Labels]


def ruleset(table: str, policies: Sequence[Body], situation: Situation) -> str:
    """Return a table of nftables, whose chain sees each packet between Pods after Services' addresses are translated.

    A Pod that a policy selects accepts, in the policy's direction, only what one of its policies allows; answers pass.
    Raises ValueError for named ports, which no policy of the chart uses.
    """
    chains, jumps = [], ["ct state established,related accept"]
    for direction, own, other in (("Ingress", "daddr", "saddr"), ("Egress", "saddr", "daddr")):
        for endpoint in situation.endpoints:
            selecting = [policy for policy in policies if _applies(policy, direction, endpoint)]
            if selecting:
                name = f"{direction.lower()}_{endpoint.address.replace('.', '_')}"
                jumps.append(f"ip {own} {endpoint.address} jump {name}")
                allowed = [match for policy in selecting for match in _allowed(policy, direction, other, situation)]
                # A packet that is allowed in one direction must still pass the other one, so the chain returns.
                rules = [f"{match} return".lstrip() for match in allowed]
                chains.append(_chain(name, [*rules, "reject with icmpx admin-prohibited"]))
    hook = _chain("forward", ["type filter hook forward priority filter; policy accept;", *jumps])
    return "\n".join([f"table inet {table} {{", *chains, hook, "}", ""])


def _chain(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"])


def _applies(policy: Body, direction: str, endpoint: Endpoint) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    own = endpoint.namespace == policy["metadata"]["namespace"]
    return own and direction in types and _selects(spec.get("podSelector", {}), endpoint.labels)


def _allowed(policy: Body, direction: str, field: str, situation: Situation) -> Iterator[str]:
    """Yield a match of nftables for each combination of peer and port that one of the policy's rules allows."""
    peers_are = "from" if direction == "Ingress" else "to"
    for rule in policy["spec"].get(direction.lower()) or []:
        peers = rule.get(peers_are) or []
        addresses = [match for peer in peers for match in _addresses(peer, field, policy, situation)] if peers else [""]
        ports = [_port(port) for port in rule.get("ports") or []] or [""]
        yield from (f"{address} {port}".strip() for address in addresses for port in ports)


def _addresses(peer: Body, field: str, policy: Body, situation: Situation) -> list[str]:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        if ":" in block["cidr"]:
            return []
        outside = [f"ip {field} != {excepted}" for excepted in block.get("except", ())]
        return [" ".join([f"ip {field} {block['cidr']}", *outside])]
    return [
        f"ip {field} {endpoint.address}"
        for endpoint in situation.endpoints
        if _selects(peer.get("podSelector", {}), endpoint.labels)
        and (
            _selects(peer["namespaceSelector"], situation.namespaces.get(endpoint.namespace, {}))
            if "namespaceSelector" in peer
            else endpoint.namespace == policy["metadata"]["namespace"]
        )
    ]


def _port(port: Body) -> str:
    protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
    if number is None:
        return f"meta l4proto {protocol}"
    if isinstance(number, str):
        raise ValueError(f"port {number}: rules are made for numbers of ports")
    last = port.get("endPort", number)
    return f"{protocol} dport {number}" if last == number else f"{protocol} dport {number}-{last}"


def _selects(selector: Body, labels: Labels) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        _fulfils(requirement, labels) for requirement in selector.get("matchExpressions", ())
    )


def _fulfils(requirement: Body, labels: Labels) -> bool:
    key, values = requirement["key"], requirement.get("values", ())
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[str(requirement["operator"])]
