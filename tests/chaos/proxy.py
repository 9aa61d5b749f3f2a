"""A TCP proxy that is told what to do: ``python -m tests.chaos.proxy LISTEN TARGET``.

Words on stdin: ``pass``; ``cut`` closes every connection and takes no new one; ``hole`` keeps
them open and moves nothing (a half-open connection), until ``pass`` closes them; ``delay S``.
``count`` prints how many connections have been taken so far.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys


class Proxy:
    """The script's present word, and the connections it holds for."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._mode = "pass"
        self._delay_s = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self.count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        self.count += 1
        if self._mode != "pass":
            writer.close()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        pair = {writer, there[1]}
        self._open |= pair
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
        for end in pair:
            end.close()
        self._open -= pair

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            data = await reader.read(65536)
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            while self._mode == "hole":
                await asyncio.sleep(0.02)
            if not data or writer.is_closing():
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    def tell(self, line: str) -> None:
        """Follow a word of the script."""
        word, _, rest = line.strip().partition(" ")
        if word == "count":
            print(self.count, flush=True)
            return
        if word == "delay":
            self._delay_s = float(rest)
            return
        if word == "cut" or self._mode == "hole":
            for end in list(self._open):
                end.transport.abort()
        self._mode = word


async def _main(listen: int, target: int) -> None:
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", listen)
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    async with server:
        while line := await stdin.readline():
            proxy.tell(line.decode())


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
