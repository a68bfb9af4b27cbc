"""IP addresses that never leave the node: a user must not make the operator send requests to them. Pure."""

from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address


class LocalAddress(Enum):
    """Why an address does not belong to another machine."""

    LOOPBACK = auto()
    LINK_LOCAL = auto()
    """Addresses of the node's link, such as a cloud's metadata service at 169.254.169.254."""
    UNSPECIFIED = auto()
    """0.0.0.0 and ::, which Linux connects to the loopback interface."""
    MULTICAST = auto()


def local_address_kind(address: IPv4Address | IPv6Address) -> LocalAddress | None:
    """Return why an address does not belong to another machine, or None if it does.

    An IPv4-mapped IPv6 address is classified as its IPv4 address.
    """
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    if plain.is_loopback:
        return LocalAddress.LOOPBACK
    if plain.is_link_local:
        return LocalAddress.LINK_LOCAL
    if plain.is_unspecified:
        return LocalAddress.UNSPECIFIED
    return LocalAddress.MULTICAST if plain.is_multicast else None
