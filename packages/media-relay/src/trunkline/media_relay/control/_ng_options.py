"""The options of NG offers and answers: from dictionary keys and flag strings to `MediaOptions`.

Keys and flags may be spelled with spaces, hyphens or underscores. What belongs here is their reading; what
this relay does not do is either refused (another transport protocol would break the call) or warned about.
"""

from collections.abc import Iterable
from typing import Any

from trunkline.media_relay._errors import RemoteProtocolError
from trunkline.media_relay.sdp import RewriteRules
from trunkline.media_relay.session import MediaOptions

RTCP_MUX = frozenset({"offer", "require", "demux", "accept", "reject"})
_LISTS = ("flags", "replace", "rtcp-mux")
_NO_RECORDING = ("", "no", "off", "false")


def normalized(fields: dict[str, Any]) -> dict[str, Any]:
    """Spell all keys with hyphens and take a flag string (`rtpp-flags`) apart into keys and flags.

    Raises: RemoteProtocolError when something is no text, no number or no list where it must be.
    """
    plain = {key.replace(" ", "-").replace("_", "-"): value for key, value in fields.items()}
    for key in _LISTS:
        plain[key] = [spell(item) for item in strings(plain.get(key), key)]
    plain["direction"] = list(strings(plain.get("direction"), "direction"))
    words = plain.pop("rtpp-flags", "")
    if isinstance(words, str):
        for word in words.split():
            _take_word(plain, word)
    for flag in list(plain["flags"]):
        for key in ("replace", "rtcp-mux"):
            if flag.startswith(key + "-"):
                plain[key].append(flag.removeprefix(key + "-"))
    return plain


def _take_word(plain: dict[str, Any], word: str) -> None:
    key, equals, value = word.partition("=")
    if equals:
        key = spell(key)
        if key == "direction":
            plain["direction"].append(value)
        elif key in _LISTS:
            plain[key].append(spell(value))
        else:
            plain.setdefault(key, value)
    elif word.startswith(("RTP/", "UDP/")):
        plain.setdefault("transport-protocol", word)
    else:
        plain["flags"].append(spell(word))


def media_options(fields: dict[str, Any], protocols: Iterable[str]) -> MediaOptions:
    """Read what an offer or answer asks for.

    Args:
        fields: the request's dictionary, normalized.
        protocols: the transport protocols in its description.
    Raises: RemoteProtocolError when the request asks for what would break the call if it were left out.
    """
    flags, replace = set(fields["flags"]), set(fields["replace"])
    warnings: list[str] = []
    source = strings(fields.get("received-from"), "received-from")
    direction = [*fields["direction"], "", ""]
    family = text(fields, "address-family")
    if family not in ("", "IP4", "IP6"):
        raise RemoteProtocolError(f"expected address-family IP4 or IP6, got {family!r}", 400, "NG")
    _check_transport(text(fields, "transport-protocol"), protocols, warnings)
    if text(fields, "ICE") in ("force", "force-relay", "optional"):
        warnings.append("ICE is not supported; its attributes were removed")
    if flags & {"record-call"} or text(fields, "record-call") not in _NO_RECORDING:
        warnings.append("recording is not supported")
    return MediaOptions(
        rules=RewriteRules(
            origin="origin" in replace,
            session_connection="session-connection" in replace,
            zero_address="zero-address" in replace,
            full_rtcp_attribute="full-rtcp-attribute" in flags,
            no_rtcp_attribute="no-rtcp-attribute" in flags,
        ),
        signalling_host=source[1] if len(source) == 2 else "",
        trust_address="SIP-source-address" not in flags,
        media_address=text(fields, "media-address"),
        address_family=family,
        interfaces=(direction[0], direction[1]),
        rtcp_mux=RTCP_MUX & set(fields["rtcp-mux"]),
        asymmetric="asymmetric" in flags,
        media_handover="media-handover" in flags,
        warnings=tuple(warnings),
    )


def _check_transport(wanted: str, protocols: Iterable[str], warnings: list[str]) -> None:
    """Refuse a change between plain and encrypted media; warn of one between AVP and AVPF."""
    if not wanted or wanted.lower() == "accept":
        return
    for protocol in protocols:
        if "RTP/" not in protocol.upper() or protocol.upper() == wanted.upper():
            continue
        if ("SAVP" in protocol.upper()) != ("SAVP" in wanted.upper()) or "TLS" in wanted + protocol:
            reason = f"media is passed as it is: {protocol} cannot become {wanted}"
            raise RemoteProtocolError(reason, 488, "NG transport-protocol")
        warnings.append(f"the transport protocol stays {protocol}")


def text(fields: dict[str, Any], key: str) -> str:
    """Give a field that has to be text, "" when it is missing.

    Raises: RemoteProtocolError
    """
    value = fields.get(key, "")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RemoteProtocolError(f"expected text under {key!r}, got {type(value).__name__}", 400, "NG")
    return value


def strings(value: Any, key: str) -> list[str]:
    """Give a field that has to be a list of text; one text alone is a list too.

    Raises: RemoteProtocolError
    """
    if value is None:
        return []
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RemoteProtocolError(f"expected a list of text under {key!r}", 400, "NG")
    return value


def spell(word: str) -> str:
    """Spell a flag with hyphens."""
    return word.replace(" ", "-").replace("_", "-")
