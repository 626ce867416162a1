"""The sockets that SIP arrives on. Bytes and flows go up, bytes go out; nothing here knows a header."""

from ._certificates import CertificateError, CertificateFiles, Certificates, open_certificates
from ._limits import Admission, Limits, TransportStatistics
from ._listen import ListenError, ListenPoint, bind_all, expand
from ._tcp import TcpTransport
from ._udp import UdpTransport

__all__ = [
    "Admission",
    "CertificateError",
    "CertificateFiles",
    "Certificates",
    "Limits",
    "ListenError",
    "ListenPoint",
    "TcpTransport",
    "TransportStatistics",
    "UdpTransport",
    "bind_all",
    "expand",
    "open_certificates",
]
