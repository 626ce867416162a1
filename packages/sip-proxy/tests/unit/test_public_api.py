"""What is public, here and in the subpackages: a change of it is meant."""

from trunkline import sip_proxy
from trunkline.sip_proxy import auth, core, locate, nat, registrar, watch

CORE = [
    "Alternative",
    "Branch",
    "BranchState",
    "CoreStatistics",
    "Effect",
    "NextServer",
    "ProxyCore",
    "RedirectServer",
    "Redirection",
    "Rejection",
    "ResponseContext",
    "ResponseReady",
    "Routed",
    "StatelessProxy",
    "StatelessResponse",
    "Target",
    "heed_strict_router",
]
WATCH = [
    "Call",
    "CallAnswered",
    "CallEnded",
    "CallFailed",
    "CallRinging",
    "CallStarted",
    "CallState",
    "CallWatch",
    "Fact",
    "Leg",
    "Place",
    "Record",
    "SMALLEST_MIN_SE",
    "SessionTimers",
    "Side",
    "make_bye",
    "session_interval",
]


def test_the_face_of_the_core_and_the_watch() -> None:
    assert sorted(core.__all__) == CORE
    assert sorted(watch.__all__) == WATCH


def test_the_package_offers_what_its_parts_offer() -> None:
    parts = [name for part in (auth, core, locate, nat, registrar, watch) for name in part.__all__]
    assert sorted(sip_proxy.__all__) == sorted(parts)
    assert len(set(parts)) == len(parts)
    for part in (auth, core, locate, nat, registrar, watch):
        for name in part.__all__:
            assert getattr(sip_proxy, name) is getattr(part, name)
