"""IP addresses to which the operator sends no request for a user, and why. Pure.

The ranges are those of https://www.iana.org/assignments/iana-ipv4-special-registry and of its IPv6 counterpart that no
other machine of a network has, and the addresses of the clouds' metadata services. Private addresses (RFC 1918, and the
unique local ones of IPv6) are not among them: clusters and companies serve on these.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class SpecialRange(Enum):
    """Why an address is not that of an ordinary server."""

    METADATA = auto()
    """Services of a cloud that give a node or a Pod its credentials, outside the link-local range."""
    UNSPECIFIED = auto()
    """0.0.0.0/8 and ::, which Linux connects to the loopback interface."""
    LOOPBACK = auto()
    LINK_LOCAL = auto()
    """Addresses of the node's link, such as a cloud's metadata service at 169.254.169.254."""
    MULTICAST = auto()
    RESERVED = auto()
    """Broadcast, and ranges that are assigned to no machine."""
    SHARED = auto()
    """100.64.0.0/10 (RFC 6598), in which some clouds number nodes, Pods, and services of their own."""
    TRANSLATED = auto()
    """64:ff9b:1::/48 (RFC 8215), in which only the network's own translator knows where the IPv4 address is."""


_RANGES: tuple[tuple[Network, SpecialRange], ...] = tuple(
    (ip_network(text), kind)
    for kind, texts in {
        SpecialRange.METADATA: (
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's wire server
            "192.0.0.192/32",  # Oracle Cloud, classic
            "fd00:ec2::/32",  # AWS: metadata, identities of Pods, name server and clock
            "fd20:ce::254/128",  # Google Cloud
            "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
            "fd00:42::42/128",  # Scaleway
        ),
        SpecialRange.UNSPECIFIED: ("0.0.0.0/8", "::/128"),
        SpecialRange.LOOPBACK: ("127.0.0.0/8", "::1/128"),
        SpecialRange.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),
        SpecialRange.MULTICAST: ("224.0.0.0/4", "ff00::/8"),
        SpecialRange.RESERVED: ("240.0.0.0/4", "192.0.0.0/24", "100::/64", "fec0::/10"),
        SpecialRange.SHARED: ("100.64.0.0/10",),
        SpecialRange.TRANSLATED: ("64:ff9b:1::/48",),
    }.items()
    for text in texts
)
_IPV4_AT_THE_END = tuple(
    IPv6Network(text)
    for text in (
        "::/96",  # compatible with IPv4
        "::ffff:0:0/96",  # mapped
        "::ffff:0:0:0/96",  # translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
    )
)
_ISATAP = 0x5EFE
_UNIVERSAL = 0x02000000
"""Bit by which the interface identifier of an ISATAP address says that its IPv4 address is a public one."""


def special_range(address: Address) -> SpecialRange | None:
    """Return why an address is not that of an ordinary server, or None if it is.

    An IPv6 address that leads to an IPv4 address is classified as the latter.
    """
    own = _own_range(address)
    return own or next((kind for inner in embedded_ipv4(address) if (kind := _own_range(inner)) is not None), None)


def embedded_ipv4(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which an IPv6 address leads, through whatever translation."""
    if not isinstance(address, IPv6Address):
        return
    number = int(address)
    if any(address in network for network in _IPV4_AT_THE_END):
        yield IPv4Address(number & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo  # the server, and the client's address behind it
    if (number >> 32) & 0xFFFFFFFF & ~_UNIVERSAL == _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)


@dataclass(frozen=True)
class AddressRules:
    """Which addresses the operator may connect to where a user chose the host name."""

    deny: tuple[Network, ...] = ()
    """Ranges to refuse besides the special ones, such as those of nodes and Pods."""
    allow: tuple[Network, ...] = ()
    """Exceptions from `deny` and from the special ranges."""

    def permit(self, address: Address) -> bool:
        """Return whether to connect. An IPv6 address must lead to permitted IPv4 addresses only."""
        if _within(address, self.allow):
            return True
        if _within(address, self.deny) or _own_range(address) is not None:
            return False
        return all(self.permit(inner) for inner in embedded_ipv4(address))


POD_ADDRESSES = AddressRules(allow=(IPv4Network("100.64.0.0/10"), IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")))
"""Rules for the addresses of Pods, which the kubelet reports and no user chooses. Some clouds number Pods in the shared
range, and the Pods of a machine without a network are on loopback."""
ANY_ADDRESS = AddressRules(allow=(IPv4Network("0.0.0.0/0"), IPv6Network("::/0")))
"""Rules for addresses that the operator's settings name."""


def _own_range(address: Address) -> SpecialRange | None:
    return next((kind for network, kind in _RANGES if address in network), None)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
