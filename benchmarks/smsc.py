"""An SMSC that logs each code with its time of arrival: ``python benchmarks/smsc.py PORT FILE``."""

from __future__ import annotations

import asyncio
import re
import sys
import time

import smpp34


async def serve(port: int, file_name: str) -> None:
    """Accept every message and send a delivery receipt for it."""
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="Bench")
    await server.start()
    esmes: dict[str, smpp34.Esme] = {}
    number = 0
    with open(file_name, "a", buffering=1) as file:  # noqa: ASYNC230, PTH123  (a line is short)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                esmes[event.session_id] = event
            elif isinstance(event, smpp34.SubmitSmEvent):
                number += 1
                event.accept(message_id=f"m{number}")
                code = re.search(rb"#(\d{6})$", bytes(event.short_message))
                file.write(f"{time.time():.6f} {event.destination_addr} {code[1].decode() if code else ''}\n")
                if event.registered_delivery:
                    await esmes[event.session_id].deliver_sm(
                        event.source_addr,
                        f"id:m{number} stat:DELIVRD err:000".encode(),
                        source_addr=event.destination_addr,
                        esm_class=0x04,
                    )


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
