"""Microseconds of CPU a message for INVITE transactions, client and server side. Run it by hand:

    python packages/sip-transaction/tests/benchmark/measure_layer.py

Two layers talk through bytes. Parsing, and making the responses, is outside of what is timed; writing the
message out is inside. Each figure is the best of many short runs, as that one is least disturbed; the time to
parse the INVITE is printed beside them, to compare machines by.
"""

import gc
from collections import defaultdict
from itertools import count
from time import process_time

from trunkline.sip_parser import make_response, parse_datagram
from trunkline.sip_transaction import Flow, RequestReceived, TransactionLayer

ALICE, BOB = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
INVITE = (
    "INVITE sip:bob@example.test SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Alice" <sip:alice@example.test>;tag={number}\r\n'
    "To: <sip:bob@example.test>\r\n"
    "Call-ID: {number}@192.0.2.1\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.1:5060>\r\n"
    "User-Agent: Phone 1.0\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 3\r\n\r\nv=0"
)
ROUNDS, CALLS = 150, 25
numbers = count(1)


def token(size):
    return next(numbers).to_bytes(size, "big")


class Stopwatch:
    """Time each named stage over a batch, and keep the best round."""

    def __init__(self):
        self.best = defaultdict(lambda: 1e9)

    def __call__(self, stage, action, batch):
        start = process_time()
        results = [action(item) for item in batch]
        taken = (process_time() - start) / len(batch)
        self.best[stage] = min(self.best[stage], taken)
        return results


def round_of_calls(stopwatch, caller, callee, status, now):
    """Carry a batch of calls from INVITE to their final response, and the ACK of a failure."""
    there = Flow("UDP", ALICE, BOB)
    here = Flow("UDP", BOB, ALICE)
    texts = [INVITE.format(branch=caller.new_branch(), number=next(numbers)).encode() for _ in range(CALLS)]
    requests = stopwatch("(parse INVITE)", parse_datagram, texts)
    started = stopwatch("client  send INVITE", lambda r: caller.send_request(r, there, now=now), requests)
    arrived = [parse_datagram(effects[0].data) for _, effects in started]
    received = stopwatch("server  receive INVITE", lambda m: callee.receive(m, here, now=now), arrived)
    copies = [parse_datagram(effects[0].data) for _, effects in started]
    stopwatch("server  absorb a copy", lambda m: callee.receive(m, here, now=now), copies)
    for code in (180, status):
        given = [
            (effect.transaction, make_response(effect.request, code, to_tag="tag"))
            for effects in received
            for effect in effects
            if isinstance(effect, RequestReceived)
        ]
        sent = stopwatch(f"server  respond {code}", lambda g: callee.respond(*g, now=now), given)
        back = [parse_datagram(effects[0].data) for effects in sent]
        heard = stopwatch(f"client  receive {code}", lambda m: caller.receive(m, there, now=now), back)
    if status >= 300:
        acks = [parse_datagram(effects[0].data) for effects in heard]
        stopwatch("server  receive ACK", lambda m: callee.receive(m, here, now=now), acks)
    for layer, side in ((caller, "client"), (callee, "server")):
        stopwatch(f"{side}  all its timers / call", lambda layer: run_out(layer, now), [layer])


def run_out(layer, now):
    """Let every timer fire as it would."""
    while (moment := layer.next_timeout()) is not None:
        layer.handle_timeout(now=moment)
    assert layer.len_client == layer.len_server == 0, now


def main():
    """Print a table for an answered and for a refused call."""
    gc.disable()
    for status in (200, 486):
        stopwatch = Stopwatch()
        now = 1000.0
        for _ in range(ROUNDS):
            caller, callee = TransactionLayer(token=token), TransactionLayer(token=token)
            round_of_calls(stopwatch, caller, callee, status, now)
        print(f"INVITE answered {status}")
        total = messages = 0.0
        for stage, seconds in stopwatch.best.items():
            timers = "timers" in stage
            per_call = seconds * 1e6 / (CALLS if timers else 1)
            print(f"  {stage:32} {per_call:6.2f}")
            if "copy" not in stage and "parse" not in stage:
                total += per_call
                messages += not timers
        print(f"  {'a message, timers included':32} {total / messages:6.2f}")


if __name__ == "__main__":
    main()
