"""A session report as the NG protocol's `query` and `delete` replies spell it."""

from datetime import datetime
from typing import Any

from trunkline.media_relay.session import Address, MediaReport, PartyReport, SessionReport, StreamReport


def ng_report(report: SessionReport, *, now: float, at: datetime | None) -> dict[str, Any]:
    """Write a report as a dictionary.

    Args:
        report: the session's snapshot.
        now: seconds, when it is given out.
        at: the wall clock at `now`; without it, times are seconds of the monotonic clock.
    """
    offset = at.timestamp() - now if at is not None else 0.0
    rtp, rtcp = report.totals
    return {
        "created": int(report.created + offset),
        "last signal": int(report.last_signal + offset),
        "tags": {party.tag: _party(party, offset) for party in report.parties},
        "totals": {"RTP": _counters(*rtp), "RTCP": _counters(*rtcp)},
    }


def _party(party: PartyReport, offset: float) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "tag": party.tag,
        "created": int(party.created + offset),
        "medias": [_media(media, offset) for media in party.medias],
    }
    if party.other_tag:
        fields["in dialogue with"] = party.other_tag
    return fields


def _media(media: MediaReport, offset: float) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "index": media.index,
        "type": media.kind,
        "protocol": media.protocol,
        "flags": ["initialized", *(["rtcp-mux"] if media.rtcp_mux else [])],
        "streams": [_stream(stream, offset) for stream in media.streams],
    }
    if media.round_trip is not None:
        fields["round trip us"] = int(media.round_trip * 1e6)
    if media.reported_loss is not None:
        fields["reported loss percent"] = round(media.reported_loss * 100)
    if media.reported_jitter is not None:
        fields["reported jitter us"] = int(media.reported_jitter * 1e6)
    return fields


def _stream(stream: StreamReport, offset: float) -> dict[str, Any]:
    flags = ["RTCP" if stream.is_rtcp else "RTP"]
    if stream.endpoint is not None:
        flags.append("filled")
    if stream.latched:
        flags.append("confirmed")
    fields: dict[str, Any] = {
        "local address": stream.local_address,
        "local port": stream.local_port,
        "flags": flags,
        "stats": _counters(stream.packets, stream.bytes, stream.errors),
        "last packet": int(stream.last_packet + offset) if stream.last_packet is not None else 0,
    }
    if stream.endpoint is not None:
        fields["endpoint"] = _address(stream.endpoint)
    if stream.advertised is not None:
        fields["advertised endpoint"] = _address(stream.advertised)
    if stream.ssrc is not None:
        fields["SSRC"] = stream.ssrc
        fields["payload type"] = stream.payload_type
        fields["lost"] = stream.lost
        fields["jitter us"] = int(stream.jitter * 1e6)
    return fields


def _counters(packets: int, octets: int, errors: int) -> dict[str, int]:
    return {"packets": packets, "bytes": octets, "errors": errors}


def _address(address: Address) -> dict[str, Any]:
    family = "IPv6" if ":" in address[0] else "IPv4"
    return {"family": family, "address": address[0], "port": address[1]}
