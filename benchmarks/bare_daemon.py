"""The bare limit: the socket loop of the mail daemon with one HMAC and one raw indexed query for each request.

``python -m benchmarks.bare_daemon SOCKET DATABASE``: no decision, no log, nothing written, no commit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sys

import pysqlite3

KEY = b"k" * 32


class Bare(asyncio.Protocol):
    """Answers AUTH lines as they arrive."""

    def __init__(self, database: pysqlite3.Connection) -> None:
        self.database = database
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the greeting."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n")

    def data_received(self, data: bytes) -> None:
        """Look up and answer every request."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        answers = []
        for line in lines:
            words = line.split(b"\t")
            if words[0] != b"AUTH":
                continue
            _, name, secret = base64.b64decode(words[-1][5:]).split(b"\0")
            digest = hmac.digest(KEY, secret, hashlib.sha256)
            self.database.execute("SELECT id FROM factors_credential WHERE lookup = ?", (digest,)).fetchone()
            answers.append(b"OK\t" + words[1] + b"\tuser=" + name + b"\n")
        self.transport.write(b"".join(answers))


async def main(path: str, database: str) -> None:
    """Serve until killed."""
    connection = pysqlite3.connect(database, check_same_thread=False)
    server = await asyncio.get_running_loop().create_unix_server(lambda: Bare(connection), path)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
