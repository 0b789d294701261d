"""What may stand for the address of a service."""

from urllib.parse import urlsplit


def is_address(target: str) -> bool:
    """Whether this is the address of a service."""
    try:
        parts = urlsplit(target)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
