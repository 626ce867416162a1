"""One end of a call flow, as SIPp's scenario, from its side of the ladder diagram.

A ladder is text: `> INVITE  < 180  < 200  > ACK` is what one end sends and receives, in order; SIPp fails a
run whose messages come in another one. `< 100?` comes or does not; `pause 200` waits for milliseconds. An
option:

    > INVITE+auth       answers the challenge
    > INVITE+late       makes no offer, and takes the one in the 200
    > ACK+sdp           answers that
    > INVITE+moved      has another Contact, and another port for media
    > 302               sends the caller to `{moved_to}`
    > REGISTER          is for `{user}` and has the header `{contact}`

Values in braces are filled in by `Sipp`.
"""

from collections.abc import Iterator

_OFFER = """\
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
_CONTACT_URI = "sips?:[^&gt; ]*"
_REASONS = {
    "180": "Ringing",
    "200": "OK",
    "302": "Moved Temporarily",
    "480": "Temporarily Unavailable",
    "486": "Busy Here",
    "487": "Request Terminated",
}


def scenario(name: str, ladder: str, *, proxies: int = 0) -> str:
    """Write the scenario of the end that the ladder is told from.

    Args:
        name: what SIPp calls it.
        ladder: see above; an end whose first message is one that it receives is the callee.
        proxies: how many stand before the callee, whose 487 gives back a Via for each.
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
        self.vias = range(1, proxies + 2)
        self.user = "{user}" if self.is_caller else "sipp"
        self.port = "[media_port]"
        self.variables: set[str] = set()
        self.index = 0
        "of the message being written; SIPp counts pauses too"
        self.sequence = 0 if self.is_caller else 100
        self.target = "sip:{callee}@{callee_domain}"
        "where requests outside a dialog go"
        self.invited, self.invited_at, self.invite_uri = False, 0, ""
        "the last request sent was an INVITE or its ACK; index and URI of the INVITE, for ACK and CANCEL"
        self.is_refused = False
        "the last INVITE sent was"
        self.in_dialog = False
        self.transaction = ""
        "of the last request within the dialog, so that a 200 that comes again is not taken for the answer"
        self.requested = ""
        "method of the last request received"

    def write(self) -> str:
        parts = []
        for sign, what, options in self.steps:
            if sign == "pause":
                parts.append(f'<pause milliseconds="{what}"/>')
            elif sign == ">":
                self._move(options)
                parts.append(self._respond(what) if what.isdigit() else self._request(what, options))
            elif what.rstrip("?").isdigit():
                parts.append(self._expect_response(what))
            else:
                parts.append(self._expect_request(what))
            self.index += 1
        if self.variables:  # SIPp will not have one that nobody uses
            parts.append(f'<Reference variables="{",".join(sorted(self.variables))}"/>')
        head = f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{self.name}">'
        return "\n".join([head, *parts, "</scenario>\n"])

    # -- sending

    def _request(self, method: str, options: set[str]) -> str:
        of_invite = method == "CANCEL" or (method == "ACK" and self.is_refused)
        if method not in ("ACK", "CANCEL"):
            self.sequence += 1
        if of_invite:
            uri, branch = self.invite_uri, f"[branch-{self.index - self.invited_at}]"
        elif method == "REGISTER":
            uri, branch = "sip:{domain}", "[branch]"
        else:
            uri, branch = "[$contact]" if self.in_dialog else self.target, "[branch]"
        if method == "INVITE":
            self.invited_at, self.invite_uri, self.is_refused = self.index, uri, False
        self.invited = method in ("INVITE", "ACK")
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport",
            "Max-Forwards: 70",
            *(["[routes]"] if self.in_dialog else []),
            f"From: {self._local()}",
            f"To: {self._remote(method)}",
            "Call-ID: [call_id]",
            f"CSeq: {self.sequence} {method}",
        ]
        if method == "INVITE":
            lines.append(f"Contact: {self._contact()}")
        if method == "REGISTER":
            lines.append("{contact}")
        if "auth" in options:
            lines.append("[authentication username={user} password={password}]")
        with_sdp = "sdp" in options or (method == "INVITE" and "late" not in options)
        return _send(
            lines, self._body(with_sdp), retransmitted=method != "ACK", more=self._transaction(method)
        )

    def _transaction(self, method: str) -> str:
        if not self.in_dialog:
            return ""
        if method == "ACK":
            return f' ack_txn="{self.transaction}"' if self.transaction else ""
        self.transaction = f"t{self.index}"
        return f' start_txn="{self.transaction}"'

    def _respond(self, status: str) -> str:
        initial = not self.is_caller and not self.in_dialog
        ends_invite = status == "487"  # it comes after the CANCEL, whose headers are the last received
        accepts = self.requested == "INVITE" and status < "300"
        lines = [f"SIP/2.0 {status} {_REASONS[status]}"]
        lines += [f"Via: [$via{number}]" for number in self.vias] if ends_invite else ["[last_Via:]"]
        lines += [
            "[last_From:]",
            f"[last_To:]{';tag=[pid]s[call_number]' if initial else ''}",
            "[last_Call-ID:]",
        ]
        lines.append("CSeq: [$sequence]" if ends_invite else "[last_CSeq:]")
        if accepts:
            lines += ["[last_Record-Route:]"] if initial else []
            lines.append(f"Contact: {self._contact()}")
        if status == "302":
            lines.append("Contact: <{moved_to}>")
        with_sdp = accepts and status == "200"
        self.in_dialog = self.in_dialog or with_sdp
        final = status >= "200" and (self.requested == "INVITE" or ends_invite)
        return _send(lines, self._body(with_sdp), retransmitted=final)

    def _move(self, options: set[str]) -> None:
        if "moved" in options:
            self.user += "-moved"
            self.port = "[media_port+2]"

    def _local(self) -> str:
        if self.is_caller:
            return "<sip:{user}@{domain}>;tag=[pid]u[call_number]"
        return "[$local];tag=[pid]s[call_number]"

    def _remote(self, method: str) -> str:
        if self.in_dialog or (method == "ACK" and self.is_refused):
            return "[$remote]"
        return "<sip:{user}@{domain}>" if method == "REGISTER" else "<sip:{callee}@{callee_domain}>"

    def _contact(self) -> str:
        return f"<sip:{self.user}@[local_ip]:[local_port];transport=[transport]>"

    def _body(self, with_sdp: bool) -> str:
        if not with_sdp:
            return _NO_BODY
        return _OFFER.replace("{version}", str(self.index + 1)).replace("{port}", self.port)

    # -- receiving

    def _expect_request(self, method: str) -> str:
        self.requested = method
        if method != "INVITE":
            return f'<recv request="{method}"/>'
        take = [self._take("contact", "Contact:", _CONTACT_URI)]
        if self.in_dialog:
            return f'<recv request="INVITE"><action>{"".join(take)}</action></recv>'
        take += [self._take(f"via{number}", "Via:", occurrence=number) for number in self.vias]
        take += [self._take("remote", "From:"), self._take("local", "To:"), self._take("sequence", "CSeq:")]
        return f'<recv request="INVITE" rrs="true"><action>{"".join(take)}</action></recv>'

    def _expect_response(self, what: str) -> str:
        status = what.rstrip("?")
        attributes, take = "", []
        if what.endswith("?"):
            attributes = ' optional="true"'
        if status in ("401", "407"):
            attributes = ' auth="true"'
        if status >= "300":
            self.is_refused = True
        if status == "302":
            take.append(self._take("moved", "Contact:", _CONTACT_URI))
            self.target = "[$moved]"
        if self.in_dialog:
            attributes += f' response_txn="{self.transaction}"'
        elif status >= "200":
            take.append(self._take("remote", "To:"))
        if status == "200" and self.invited:
            take.append(self._take("contact", "Contact:", _CONTACT_URI))
            attributes += "" if self.in_dialog else ' rrs="true"'
            self.in_dialog = True
        return f'<recv response="{status}"{attributes}><action>{"".join(take)}</action></recv>'

    def _take(self, name: str, header: str, pattern: str = ".*", *, occurrence: int = 1) -> str:
        self.variables.add(name)
        place = f'search_in="hdr" header="{header}" occurrence="{occurrence}"'
        return f'<ereg regexp="{pattern}" {place} check_it="true" assign_to="{name}"/>'


def _send(lines: list[str], body: str, *, retransmitted: bool, more: str = "") -> str:
    data = "\n    ".join([*lines, body])
    retransmission = ' retrans="500"' if retransmitted else ""
    return f"<send{retransmission}{more}><![CDATA[\n    {data}\n\n  ]]></send>"
