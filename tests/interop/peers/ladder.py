"""One end of a call flow, as SIPp's scenario, from its side of the ladder diagram.

A ladder is text: `> INVITE  < 180  < 200  > ACK` is what one end sends and receives, in order. What else may
be said: `< 100?` comes or does not; `pause 200` waits for milliseconds; `> INVITE+auth` answers the challenge;
`+late` leaves the offer out, and `> ACK+sdp` brings the answer to one that came in the 200; `+moved` has another Contact
and another port for media; `> 302` sends the caller to `{moved_to}`; a REGISTER is for the user and has the header `{contact}`,
and an option that is a number is the one to take of several values. SIPp fails a run whose messages come in
another order. Values in `{braces}` are filled in by `Sipp`.
"""

from collections.abc import Iterator

_BODY = """\
Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=sipp 1 {version} IN IP4 [local_ip]
    s=-
    c=IN IP4 [media_ip]
    t=0 0
    m=audio {port} RTP/AVP 0
    a=rtpmap:0 PCMU/8000"""
_NO_BODY = "Content-Length: 0\n\n"
_REASONS = {"180": "Ringing", "183": "Session Progress", "200": "OK", "302": "Moved Temporarily",
            "480": "Temporarily Unavailable", "486": "Busy Here", "487": "Request Terminated"}  # fmt: skip


def scenario(name: str, ladder: str, *, proxies: int = 0) -> str:
    """Write the scenario of the end that the ladder is told from.

    Args:
        name: what SIPp calls it.
        ladder: see above; an end whose first message is one it receives is the callee.
        proxies: how many stand between the two; a callee that is cancelled gives back one Via for each.
    """
    return _End(name, list(_steps(ladder)), proxies).write()


def _steps(ladder: str) -> Iterator[tuple[str, str, set[str]]]:
    words = ladder.split()
    for sign, what in zip(words[::2], words[1::2], strict=True):
        name, *options = what.split("+")
        yield sign, name, set(options)


class _End:
    def __init__(self, name: str, steps: list[tuple[str, str, set[str]]], proxies: int) -> None:
        self.name = name
        self.steps = steps
        self.is_caller = steps[0][0] == ">"
        self.vias = proxies + 1
        self.sequence = 0 if self.is_caller else 100
        self.index = 0
        self.invited = 0
        "index of the last INVITE sent, whose branch its ACK and CANCEL have"
        self.invite_uri = ""
        self.transaction = ""
        self.in_dialog = False
        self.refused = False
        self.user = "{user}" if self.is_caller else "sipp"
        self.port = "[media_port]"
        self.requested = ""
        "method of the last request received"
        self.target = "sip:{callee}@{callee_domain}"
        self.variables: set[str] = set()

    def write(self) -> str:
        parts = []
        for sign, what, options in self.steps:
            if sign == "pause":
                parts.append(f'<pause milliseconds="{what}"/>')
            elif sign == ">":
                parts.append(self._response(what, options) if what.isdigit() else self._request(what, options))
            else:
                parts.append(self._receive(what))
            self.index += 1
        used = ",".join(sorted(self.variables))
        parts.append(f'<Reference variables="{used}"/>' if used else "")
        return "\n".join(
            ['<?xml version="1.0" encoding="UTF-8"?>', f'<scenario name="{self.name}">', *parts, "</scenario>\n"]
        )

    # -- sending

    def _request(self, method: str, options: set[str]) -> str:
        old_branch = method == "CANCEL" or (method == "ACK" and self.refused)
        branch = f"[branch-{self.index - self.invited}]" if old_branch else "[branch]"
        if method not in ("ACK", "CANCEL"):
            self.sequence += 1
        registers = method == "REGISTER"
        uri = "sip:{domain}" if registers else self.invite_uri if old_branch else "[$contact]" if self.in_dialog else self.target
        attributes = ""
        if method == "INVITE":
            self.invited, self.invite_uri, self.refused = self.index, uri, False
        if self.in_dialog:
            self.transaction = f"t{self.index}" if method != "ACK" else self.transaction
            if self.transaction:
                attributes = f' {"ack" if method == "ACK" else "start"}_txn="{self.transaction}"'
        self._move(options)
        remote = "<sip:{user}@{domain}>" if registers else "<sip:{callee}@{callee_domain}>" if self.is_caller and not self.in_dialog else "[$remote]"
        if method == "ACK" and self.refused:
            remote = "[$remote]"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport",
            "Max-Forwards: 70",
            *(["[routes]"] if self.in_dialog else []),
            f"From: {self._local()}",
            f"To: {remote}",
            "Call-ID: [call_id]",
            f"CSeq: {self.sequence} {method}",
            *([f"Contact: {self._contact()}"] if method == "INVITE" else ["{contact}"] if registers else []),
            *(["[authentication username={user} password={password}]"] if "auth" in options else []),
            self._body((method == "INVITE" and "late" not in options) or "sdp" in options),
        ]
        retransmitted = "" if method == "ACK" else ' retrans="500"'
        return f"<send{retransmitted}{attributes}>{_data(lines)}</send>"

    def _response(self, status: str, options: set[str]) -> str:
        cancelled = status == "487"
        self._move(options)
        first = not self.in_dialog and not self.is_caller
        lines = [
            f"SIP/2.0 {status} {_REASONS.get(status, 'Refused')}",
            *([f"Via: [$via{number}]" for number in range(1, self.vias + 1)] if cancelled else ["[last_Via:]"]),
            "[last_From:]",
            f"[last_To:]{';tag=[pid]s[call_number]' if first else ''}",
            "[last_Call-ID:]",
            "CSeq: [$sequence]" if cancelled else "[last_CSeq:]",
        ]
        accepts = self.requested == "INVITE" and status < "300"
        if accepts:
            lines += ["[last_Record-Route:]"] if first else []
            lines.append(f"Contact: {self._contact()}")
        elif status == "302":
            lines.append("Contact: <{moved_to}>")
        lines.append(self._body(accepts and status == "200"))
        if accepts and status == "200":
            self.in_dialog = True
        retransmitted = ' retrans="500"' if self.requested == "INVITE" and status >= "200" or cancelled else ""
        return f"<send{retransmitted}>{_data(lines)}</send>"

    def _move(self, options: set[str]) -> None:
        if "moved" in options:
            self.user += "-moved"
            self.port = "[media_port+2]"

    def _local(self) -> str:
        return "<sip:{user}@{domain}>;tag=[pid]u[call_number]" if self.is_caller else "[$local];tag=[pid]s[call_number]"

    def _contact(self) -> str:
        return f"<sip:{self.user}@[local_ip]:[local_port];transport=[transport]>"

    def _body(self, wanted: bool) -> str:
        if not wanted:
            return _NO_BODY
        return _BODY.replace("{version}", str(self.index + 1)).replace("{port}", self.port)

    # -- receiving

    def _receive(self, what: str) -> str:
        if what.rstrip("?").isdigit():
            return self._receive_response(what)
        self.requested = what
        actions = []
        if what == "INVITE":
            actions.append(self._take("contact", "Contact:", "sips?:[^&gt; ]*"))
            if not self.in_dialog:
                actions += [self._take(f"via{n}", "Via:", occurrence=n) for n in range(1, self.vias + 1)]
                actions += [self._take("remote", "From:"), self._take("local", "To:"), self._take("sequence", "CSeq:")]
        recorded = ' rrs="true"' if what == "INVITE" and not self.in_dialog else ""
        return f'<recv request="{what}"{recorded}>{_actions(actions)}</recv>'

    def _receive_response(self, what: str) -> str:
        status = what.rstrip("?")
        attributes, actions = "", []
        if what.endswith("?"):
            attributes = ' optional="true"'
        elif status in ("401", "407"):
            attributes = ' auth="true"'
        if self.in_dialog:
            attributes += f' response_txn="{self.transaction}"'
        elif status >= "200":
            actions.append(self._take("remote", "To:"))
        if status == "302":
            actions.append(self._take("moved", "Contact:", "sips?:[^&gt; ]*"))
            self.target = "[$moved]"
        self.refused = self.refused or status >= "300"
        if status == "200" and self.steps[self.index + 1 :][:1] and self.steps[self.index + 1][1] == "ACK":
            actions.append(self._take("contact", "Contact:", "sips?:[^&gt; ]*"))
            if not self.in_dialog:
                attributes += ' rrs="true"'
                self.in_dialog = True
        return f'<recv response="{status}"{attributes}>{_actions(actions)}</recv>'

    def _take(self, name: str, header: str, pattern: str = ".*", occurrence: int = 1) -> str:
        self.variables.add(name)
        return (
            f'<ereg regexp="{pattern}" search_in="hdr" header="{header}" occurrence="{occurrence}"'
            f' check_it="true" assign_to="{name}"/>'
        )


def _actions(actions: list[str]) -> str:
    return "<action>" + "".join(actions) + "</action>" if actions else ""


def _data(lines: list[str]) -> str:
    return "<![CDATA[\n    " + "\n    ".join(lines) + "\n\n  ]]>"
