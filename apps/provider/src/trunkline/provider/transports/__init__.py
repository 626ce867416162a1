"""The sockets that SIP arrives on. Bytes and flows go up, bytes go out; nothing here knows a header."""

from ._listen import ListenError, ListenPoint, bind_all, expand
from ._tcp import TcpTransport
from ._udp import UdpTransport

__all__ = ["ListenError", "ListenPoint", "TcpTransport", "UdpTransport", "bind_all", "expand"]
