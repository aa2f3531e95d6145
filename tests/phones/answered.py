"""An answered call at a SIP system that the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiosipua import SipRequest, parse_sdp

from tests.phones.calling import Reports, call, caller
from tests.phones.pbx import Pbx, Peer, pbx, peer, sound_at
from watchword.messaging.gateways.sip.gateway import SipGateway


@asynccontextmanager
async def answered(sound: str = "", **config: Any) -> AsyncIterator[tuple[Pbx, SipRequest, Peer, SipGateway, Reports]]:
    """Place a call with number matching (two digits to press), and answer it."""
    async with pbx() as system, caller(system.port, **config) as (gateway, reports):
        telephone = await peer()
        sending = asyncio.ensure_future(gateway.send(call(match="47")))
        invite = await system.takes("INVITE")
        system.say(invite, 180)
        await sending
        system.say(invite, 200, sound=(sound or sound_at(telephone.port)).replace("PORT", str(telephone.port)))
        await system.takes("ACK")
        try:
            yield system, invite, telephone, gateway, reports
        finally:
            telephone.transport.close()


def rtp_port(invite: SipRequest) -> int:
    address = parse_sdp(invite.text).rtp_address
    assert address is not None
    return address[1]
