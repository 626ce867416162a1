"""What the rest of the provider may use of these parts; a change here is a decision, not an accident."""

from __future__ import annotations

from trunkline.provider import cli, config, rpc, store, web


def test_the_faces_are_what_was_decided() -> None:
    assert {
        module.__name__.rpartition(".")[2]: sorted(module.__all__)
        for module in (cli, config, rpc, store, web)
    } == {
        "cli": ["app", "main"],
        "config": [
            "AuthSection",
            "ConfigError",
            "DatabaseSection",
            "DnsSection",
            "LimitsSection",
            "ListenAddress",
            "MediaSection",
            "ProxySection",
            "RegistrarSection",
            "ServerSection",
            "Settings",
            "TlsSection",
            "WebSection",
            "load_settings",
            "local_names",
            "parse_domain",
        ],
        "rpc": ["ControlError", "RpcError", "RpcInUse", "ServerDown", "binding_record", "call", "serve"],
        "store": [
            "Account",
            "Batch",
            "Hashes",
            "Refused",
            "Store",
            "StoreError",
            "Subscriber",
            "check_database",
            "ensure_administrator",
            "verify_administrator",
        ],
        "web": ["WebError", "bind", "serve_web"],
    }


def test_every_name_of_a_face_is_there() -> None:
    for module in (cli, config, rpc, store, web):
        for name in module.__all__:
            assert getattr(module, name) is not None
        assert not hasattr(module, "no_such_name")
