"""Debian's Kamailio on loopback: a registrar and proxy that challenges every request and logs it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.phones.smsc import free_port

DOMAIN = "pbx.example"
PASSWORD = "opensesame1"
SECONDS = 20
_MODULES = next((f"{path}/" for path in Path("/usr/lib").glob("*/kamailio/modules")), "")
_CONFIGURATION = """#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
alias="{domain}"
listen=udp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "jsonrpcs.so"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "xlog.so"
modparam("jsonrpcs", "fifo_name", "")
modparam("jsonrpcs", "dgram_socket", "")
modparam("usrloc", "db_mode", 0)
modparam("rr", "append_fromtag", 1)

request_route {{
    xlog("L_ALERT", "SAW $rm $cs $ci\\n");
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("OPTIONS") && !has_totag()) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0")) {{ www_challenge("$td", "1"); exit; }}
        save("location");
        xlog("L_ALERT", "KNOWS $tU\\n");
        exit;
    }}
    if (!pv_proxy_authenticate("$fd", "{password}", "0")) {{ proxy_challenge("$fd", "1"); exit; }}
    consume_credentials();
    {second}
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    t_relay();
}}
"""


_SECOND = (
    'if (is_method("INVITE") && !pv_www_authenticate("$td", "{password}", "0")) {{ www_challenge("$td", "1"); exit; }}'
)


def why_not_here() -> str:
    """Return what is missing to run this; empty if nothing is."""
    return "" if shutil.which("kamailio") and _MODULES else "Kamailio is not installed"


@dataclass
class Kamailio:
    """A running registrar and proxy."""

    port: int
    log: Path

    def account(self, user: str) -> str:
        """Return the account with which a baresip registers here."""
        outbound = f'outbound="sip:127.0.0.1:{self.port};transport=udp"'
        return f"<sip:{user}@{DOMAIN};transport=udp>;auth_user={user};auth_pass={PASSWORD};{outbound};regint=60"

    def saw(self) -> list[str]:
        """Return the methods of all requests received, in order; a retransmission is not counted again."""
        lines = self.log.read_text(errors="replace").splitlines()
        requests = dict.fromkeys(line.partition("SAW ")[2] for line in lines if "SAW " in line)
        return [request.split()[0] for request in requests]

    async def knows(self, user: str) -> None:
        """Wait until a user is registered."""
        async with asyncio.timeout(SECONDS):
            # A growing file sends no event.
            while f"KNOWS {user}" not in self.log.read_text(errors="replace"):  # noqa: ASYNC110  (see above)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def kamailio(folder: Path, *, port: int | None = None, asks_twice: bool = False) -> AsyncIterator[Kamailio]:
    """Start Kamailio, at a free port if none is given, and end it.

    ``asks_twice``: it challenges as a proxy (407), and then as the SIP system behind the proxy (401).
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    port, log = port or free_port(), folder / "kamailio.log"
    configuration = folder / "kamailio.cfg"
    configuration.write_text(
        _CONFIGURATION.format(
            domain=DOMAIN,
            password=PASSWORD,
            port=port,
            modules=_MODULES,
            folder=folder,
            second=_SECOND.format(password=PASSWORD) if asks_twice else "",
        )
    )
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *("kamailio", "-f", str(configuration), "-DD", "-E", "-m", "16", "-M", "4", "-Y", str(folder)),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        await _is_there(port)
        yield Kamailio(port, log)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _is_there(port: int) -> None:
    from watchword.messaging.gateways.sip.config import SipConfig
    from watchword.messaging.gateways.sip.registration import SipRegistration

    registration = SipRegistration("probe", SipConfig(host="127.0.0.1", port=port), moved=lambda _call: None)
    keeping = asyncio.create_task(registration.keep(lambda _call_id: None))
    try:
        async with asyncio.timeout(SECONDS):
            await registration.is_up.wait()
    finally:
        keeping.cancel()
        await registration.close()
