"""Which addresses count as one source, because one client can use all of them."""

from ipaddress import IPv6Address, ip_address


def source_of(address: str) -> str:
    """Return the source of an address: itself, or its /64 for IPv6; any other text is its own source."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
