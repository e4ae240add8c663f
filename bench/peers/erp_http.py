"""ERP over HTTP on PORT: 5 ms for an order, 32 connections at once."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["main"]

_CONNECTIONS = 32
_SECONDS = 0.005
_LENGTH = b"content-length:"


async def main(port: int) -> None:
    """Answer every order with a number until terminated."""
    slots = asyncio.Semaphore(_CONNECTIONS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with slots:
            await _serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=128)
    async with server:
        await server.serve_forever()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    number = 0
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            [length] = (int(line[len(_LENGTH) :]) for line in lines if line.startswith(_LENGTH))
            await reader.readexactly(length)
            await asyncio.sleep(_SECONDS)
            number += 1
            body = b'{"erp_number":"%d-%d"}' % (id(writer), number)
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
