"""Kamailio as another provider's proxy: record-routing, registrar of one domain, everything else one hop on.

Not the exchange of `kamailio.py`, which stands in for our whole server.
"""

from pathlib import Path

from .ports import HOST, free_port
from .process import Process, find_program, wait_until
from .wire import options_answered

_CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=1
auto_aliases=no
listen=udp:@host@:@port@
listen=tcp:@host@:@port@
mpath="@modules@"
@challenging@
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "path.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("tm", "fr_inv_timer", 20000)
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route() || (is_method("ACK") && t_check_trans())) t_relay();
    exit;
  }
  t_check_trans();
  if (is_method("OPTIONS") && uri == myself && $rU == $null) { sl_send_reply("200", "OK"); exit; }
  if (is_method("REGISTER")) {
    if ($rd == "@domain@") { save("location"); exit; }
    add_path("inbound");
    $du = "sip:@next@";
    t_relay();
    exit;
  }
#!ifdef CHALLENGING
  if (!pv_proxy_authenticate("@domain@", "@password@", "0")) { proxy_challenge("@domain@", "0"); exit; }
  consume_credentials();
#!endif
  record_route();
  if ($hdr(Route) =~ "^<sip:inbound@") {  # the Path of one who registered through us
    loose_route();
    t_relay();
    exit;
  }
  loose_route();
  if ($rd == "@domain@") {
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  } else {
    $du = "sip:@next@";
  }
  t_relay();
}
"""


class KamailioProxy:
    """A proxy that is running; `close()` stops it.

    Args:
        folder: an empty folder.
        domain: whose registrar it is; it asks for no credentials there.
        following: HOST:PORT of the next hop for what is of other domains. Registrations that go there
            have its Path added (RFC 3327); what comes from there by that Path goes where it is addressed.
        password: what everybody must prove to know, in realm `domain`, to make calls; None = no challenges.
    """

    def __init__(self, folder: Path, *, domain: str, following: str, password: str | None = None) -> None:
        self.domain = domain
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        program = find_program("kamailio") or "kamailio"
        tm = next(Path("/usr/lib").glob("**/kamailio/modules/tm.so"))
        config = _CONFIG
        for name, value in {
            "domain": domain,
            "next": following,
            "host": HOST,
            "port": self.port,
            "modules": f"{tm.parent}/",
            "challenging": "" if password is None else "#!define CHALLENGING",
            "password": password or "",
        }.items():
            config = config.replace(f"@{name}@", str(value))
        (folder / "kamailio.cfg").write_text(config)
        self.process = Process(
            [program, "-DD", "-E", "-f", folder / "kamailio.cfg", "-m", "64", "-M", "8", "-Y", folder],
            folder,
            name=f"kamailio-{domain}",
        )
        try:
            wait_until("kamailio", lambda: options_answered(self.port), log=self.process.log)
        except BaseException:
            self.process.kill()
            raise

    def close(self) -> None:
        self.process.stop()
