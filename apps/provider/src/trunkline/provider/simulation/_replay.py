"""Replay: a capture becomes a run. What the outside said to a server is said to a provider of our own, at the
same intervals, and what the outside answered it answers again.

A request of the outside is sent as it was captured. A response of the outside is sent when our provider has
forwarded the request it answers, found by Call-ID and CSeq, as long after it as in the capture; its Via and
Record-Route are those of the request as it came. Nonces cannot be the same again, so the provider challenges
nobody, and requests that were challenged when they were captured are left out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import attrs
from structlog.testing import capture_logs

from trunkline.provider.store import Subscriber
from trunkline.sip_parser import (
    Message,
    RemoteProtocolError,
    Request,
    Response,
    Uri,
    make_response,
    parse_datagram,
)

from ._agenda import Agenda
from ._capture import Datagram, read_capture
from ._database import Database
from ._invariants import nothing_left
from ._network import Address, Network
from ._scenario import QUIET, settings_for
from ._server import Server
from ._trace import Trace

Question = tuple[str, int, str]
"Call-ID, CSeq number and method: what a response answers."
_MADE_ANEW = frozenset({"via", "from", "to", "call-id", "cseq", "record-route", "content-length"})


@attrs.define
class Answer:
    """A response that the outside gave."""

    delay: float
    response: Response


@attrs.define
class Replayed:
    """What became of a replay."""

    digest: str
    violations: list[tuple[float, str, str]]
    requests: int
    "Requests of the outside that were sent again."
    left_out: int
    "Packets of the capture that took no part."
    captured: dict[Question, list[int]]
    "Statuses that the captured server gave the outside, each once, in order."
    replayed: dict[Question, list[int]]
    "Statuses that our provider gave."
    trace: Trace

    def differences(self) -> list[str]:
        """Tell where the final answer is another one than in the capture."""
        lines = []
        for question, statuses in self.captured.items():
            before = [status for status in statuses if status >= 200]
            now = [status for status in self.replayed.get(question, []) if status >= 200]
            if before and before[:1] != now[:1]:
                call_id, number, method = question
                answer = now[0] if now else "none"
                lines.append(f"{call_id} {number} {method}: {before[0]} then, {answer} now")
        return lines


def question_of(message: Message) -> Question:
    """Tell what a request asks or a response answers."""
    cseq = message.cseq
    return message.call_id, cseq.number, cseq.method


class Replay:
    """One replay.

    Args:
        datagrams: in the order of their time.
        server: the address of the captured server, which ours takes.
        media: media.mode of our provider.
    """

    def __init__(self, datagrams: list[Datagram], server: Address, *, media: str = "auto") -> None:
        self.agenda = Agenda()
        self.trace = Trace(keep=True)
        self.trace.now = lambda: self.agenda.now
        random = Random("trunkline replay")
        self.network = Network(self.agenda, random, self.trace)
        self.violations: list[tuple[float, str, str]] = []
        self.captured: dict[Question, list[int]] = {}
        self.replayed: dict[Question, list[int]] = {}
        self.requests = 0
        self.left_out = 0
        self.end = 1.0
        self._answers: dict[tuple[Address, Question], list[Answer]] = {}
        self._answered: set[tuple[Address, str]] = set()
        domains, users = self._read(datagrams, server)
        database = Database([*domains[1:]], self.report)
        for domain in domains:
            for user in users:
                database.subscribers[user, domain] = Subscriber(user, domain)
        self.server = Server(
            self.agenda,
            self.network,
            random,
            settings=settings_for(server, domains[0], challenge=False, media=media),
            address=server,
            database=database,
            report=self.report,
            latency=0.004,
        )
        self.agenda.at(0.0, self.server.start)

    def report(self, invariant: str, what: str) -> None:
        """Note what broke."""
        self.violations.append((self.agenda.now, invariant, what))

    def run(self) -> Replayed:
        """Let it happen."""
        with capture_logs():
            self.agenda.run(self.end + QUIET)
        nothing_left(self.report, self.server, bindings=False)
        return Replayed(
            self.trace.digest, self.violations, self.requests, self.left_out, self.captured, self.replayed,
            self.trace,
        )  # fmt: skip

    # -- what the capture says

    def _read(self, datagrams: list[Datagram], server: Address) -> tuple[list[str], list[str]]:
        domains: dict[str, None] = {}
        users: dict[str, None] = {}
        forwarded: dict[tuple[Address, Question], float] = {}
        incoming: list[tuple[float, Request, Datagram]] = []
        challenged: set[tuple[str, int]] = set()
        begin = datagrams[0].at if datagrams else 0.0
        for datagram in datagrams:
            message = self._message(datagram, server)
            if message is None:
                continue
            question, at = question_of(message), datagram.at - begin
            if datagram.source == server:
                if isinstance(message, Request):
                    forwarded.setdefault((datagram.destination, question), at)
                    continue
                statuses = self.captured.setdefault(question, [])
                if message.status not in statuses:
                    statuses.append(message.status)
                if message.status in (401, 407):
                    challenged.add(question[:2])
            elif isinstance(message, Request):
                incoming.append((at, message, datagram))
                for uri in (message.to.uri, message.from_.uri):
                    if isinstance(uri, Uri) and uri.user and message.method == "REGISTER":
                        domains.setdefault(uri.host.lower())
                        users.setdefault(uri.user)
            else:
                asked = forwarded.get((datagram.source, question))
                if asked is not None:
                    answers = self._answers.setdefault((datagram.source, question), [])
                    answers.append(Answer(at - asked, message))
        self._schedule(incoming, challenged, server)
        return list(domains) or [server[0]], list(users)

    def _message(self, datagram: Datagram, server: Address) -> Message | None:
        if server not in (datagram.source, datagram.destination) or datagram.source == datagram.destination:
            self.left_out += 1
            return None
        try:
            message = parse_datagram(datagram.data)
            question_of(message)
        except RemoteProtocolError:
            self.left_out += 1
            return None
        return message

    def _schedule(
        self,
        incoming: list[tuple[float, Request, Datagram]],
        challenged: set[tuple[str, int]],
        server: Address,
    ) -> None:
        for at, request, datagram in incoming:
            source = datagram.source
            self.network.bind(source, partial(self._asked, source))
            question = question_of(request)
            if question[:2] in challenged:
                self.captured.pop(question, None)
                self.left_out += 1
                continue
            self.requests += 1
            self.end = max(self.end, at + 1.0)
            self.agenda.at(at + 0.5, self.network.datagram, datagram.data, source, server)
        for address, _ in self._answers:
            self.network.bind(address, partial(self._asked, address))

    # -- the outside

    def _asked(self, here: Address, data: bytes, source: Address) -> None:
        try:
            message = parse_datagram(data)
        except RemoteProtocolError as error:
            self.report("only good messages", f"{here} got what it cannot read: {error}")
            return
        if isinstance(message, Response):
            statuses = self.replayed.setdefault(question_of(message), [])
            if message.status not in statuses:
                statuses.append(message.status)
            return
        branch = f"{message.top_via.branch} {message.method}"
        if message.method == "ACK" or (here, branch) in self._answered:
            return
        self._answered.add((here, branch))
        answers = self._answers.get((here, question_of(message)))
        if answers is None:
            if message.method in ("BYE", "CANCEL"):
                self._give(here, message, make_response(message, 200))
            return
        for answer in answers:
            self.agenda.after(answer.delay, self._give, here, message, answer.response)

    def _give(self, here: Address, request: Request, captured: Response) -> None:
        response = make_response(request, captured.status, captured.reason, to_tag=captured.to_tag)
        if captured.status > 100:
            for value in request.headers.get_all("record-route"):
                response.headers.add("Record-Route", value)
        for name, value in captured.headers.items():
            if name.lower() not in _MADE_ANEW:
                response.headers.add(name, value)
        response.body = captured.body
        self.network.datagram(response.to_bytes(), here, self.server.address)


def replay(path: Path, server: Address, *, media: str = "auto") -> Replayed:
    """Replay a capture towards a provider of our own.

    Args:
        path: a pcap file.
        server: which address in it was the server's.
        media: media.mode of our provider.

    Raises:
        CaptureError: it cannot be read.
    """
    capture = read_capture(path)
    run = Replay(sorted(capture.datagrams, key=lambda datagram: datagram.at), server, media=media)
    run.left_out += capture.left_out
    return run.run()
