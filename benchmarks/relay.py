"""A TCP relay that delays every byte by the same time each way, so that a far-away machine can be had on this one.

It is a process of its own: `python relay.py PORT SECONDS` prints the port that it listens on.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """A port that leads to `port`, with `seconds` of delay each way."""
    words = [sys.executable, __file__, str(port), str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _serve(port: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            await asyncio.gather(_pump(reader, far_writer, seconds), _pump(far_reader, writer, seconds))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each piece `seconds` after it came: several may be on their way at once."""
    way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    now = asyncio.get_running_loop().time

    async def arrive() -> None:
        while True:
            due, data = await way.get()
            await asyncio.sleep(due - now())
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    while True:
        try:
            data = await reader.read(1 << 16)
        except OSError:
            data = b""
        way.put_nowait((now() + seconds, data))
        if not data:
            break
    await arriving


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
