"""Kamailio as a small registrar and proxy, to tell a fault of a driver from a fault of our server.

The password of every user is `pw-<user>`; UDP and TCP on one port; media goes from phone to phone.
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
children=1
tcp_children=1
auto_aliases=no
alias=@domain@
listen=udp:@host@:@port@
listen=tcp:@host@:@port@
mpath="@modules@"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("tm", "fr_inv_timer", @ring_ms@)
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("OPTIONS") && uri == myself && $rU == $null) { sl_send_reply("200", "OK"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route() || (is_method("ACK") && t_check_trans())) t_relay();
    exit;
  }
  t_check_trans();
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("$td", "pw-$au", "0")) { www_challenge("$td", "0"); exit; }
    if ($au != $tU) { sl_send_reply("403", "Forbidden"); exit; }
    save("location");
    exit;
  }
  if (!pv_proxy_authenticate("$fd", "pw-$au", "0")) { proxy_challenge("$fd", "0"); exit; }
  consume_credentials();
  record_route();
  if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_relay();
}
"""


class Kamailio:
    """A Kamailio that is running; `close()` stops it."""

    def __init__(self, folder: Path, *, domain: str, ring_timeout: float = 30.0) -> None:
        self.domain = domain
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        program = find_program("kamailio") or "kamailio"
        tm = next(Path("/usr/lib").glob("**/kamailio/modules/tm.so"))
        config = _CONFIG
        for name, value in {
            "domain": domain,
            "host": HOST,
            "port": self.port,
            "modules": f"{tm.parent}/",
            "ring_ms": int(ring_timeout * 1000),
        }.items():
            config = config.replace(f"@{name}@", str(value))
        (folder / "kamailio.cfg").write_text(config)
        self.process = Process(
            [program, "-DD", "-E", "-f", folder / "kamailio.cfg", "-m", "64", "-M", "8", "-Y", folder],
            folder,
            name="kamailio",
        )
        try:
            wait_until("kamailio", lambda: options_answered(self.port), log=self.process.log)
        except BaseException:
            self.process.kill()
            raise

    def password(self, user: str) -> str:
        return f"pw-{user}"

    def close(self) -> None:
        self.process.stop()
