"""Ports that a server listens on, taken before anything slow is done, so that one in use is told at once."""

import errno
import socket


class PortError(OSError):
    """A port that cannot be listened on; the message says which, why, and what to do."""


def refusal(host: str, port: int, option: str, number: int | None) -> PortError:
    """Why a port cannot be had, from the error's number."""
    if number == errno.EADDRINUSE:
        why = f"another process listens there: end it, or give another port with {option} (0 takes any that is free)"
    elif number == errno.EACCES:
        why = f"ports below 1024 need privileges: give another with {option}"
    else:
        reason = errno.errorcode.get(number or 0, "unknown reason")
        why = f"{reason}: give an address of this machine with --host, or 0.0.0.0 for all of them"
    return PortError(f"port {port} of {host}: cannot be listened on; {why}")


def resolved(host: str) -> str:
    """A host as a numeric address.

    Raises:
        PortError: it is none.
    """
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        raise PortError(f"{host}: is no address ({error}); give one of this machine with --host") from error


def listening(host: str, port: int, option: str) -> socket.socket:
    """A TCP socket that listens, for HTTP.

    Raises:
        PortError: the port is in use, or the address is none of this machine.
    """
    address = resolved(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=128)
    except OSError as error:
        raise refusal(host, port, option, error.errno) from error


def is_near(address: str) -> bool:
    """Whether a peer's address is this machine's loopback."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")
