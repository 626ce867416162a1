"""Early dialogs that end before the search does: 199 tells a caller who understands it that one is over.

A phone that rang and then refused leaves an early dialog behind, and with it whatever the caller set up for
it: tones played, media expected. While other phones ring on, the refusal waits here for the best response,
and only 199 can say that this one is gone.

Here: to whom that is told, and the response. Not here: when a branch ends (`_forking`).

Source: RFC 6228 §6
"""

from __future__ import annotations

from trunkline.sip_parser import RemoteProtocolError, Request, Response, make_response

from ._response_context import Branch

EARLY_DIALOG_TERMINATED = 199
MOST_EARLY = 16
"""Early dialogs of one branch that are remembered: more than a proxy downstream would make."""


def heard(branch: Branch, response: Response) -> None:
    """Note the early dialog that a provisional response passed on made, or that a 199 ended."""
    to = response.headers.get("to") or ""
    if response.status == EARLY_DIALOG_TERMINATED:
        branch.early = tuple(other for other in branch.early if other != to)
    elif ";tag=" in to.lower() and to not in branch.early and len(branch.early) < MOST_EARLY:
        branch.early += (to,)


def ended(branch: Branch, request: Request) -> list[Response]:
    """Make the 199 for each early dialog that ends with a branch; [] when the caller has no use for them.

    One who insists on acknowledging every provisional response (Require: 100rel) gets none, because a proxy
    cannot send them reliably.

    Args:
        branch: one that failed, while the caller is not told of that yet.
        request: the INVITE as received.
    """
    early, branch.early = branch.early, ()
    if not early or not _wants(request):
        return []
    responses: list[Response] = []
    for to in early:
        response = make_response(request, EARLY_DIALOG_TERMINATED)
        response.headers.set("To", to)
        response.headers.add("Reason", f"SIP;cause={branch.status}")
        responses.append(response)
    return responses


def _wants(request: Request) -> bool:
    try:
        return "199" in request.supported and "100rel" not in request.require
    except RemoteProtocolError:
        return False
