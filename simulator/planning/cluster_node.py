"""A Dask scheduler or worker as a process of its own.

It is started by ``python -m simulator.planning.cluster_node ROLE DIRECTORY``.

A scheduler writes its address to its output; a worker reads its scheduler's from its input. Either
ends when its input does, so none outlives the command that started it. They listen on the loopback
interface, and only to each other: Dask's own command would open a port for pages as well.
"""

import asyncio
import logging
import os
import sys
import threading
from typing import Any, Final

import dask.config
from distributed import Scheduler, Worker

_LOOPBACK: Final = "127.0.0.1"


class _NoPages:
    def start_http_server(self, *_arguments: Any, **_options: Any) -> None:
        """Opens nothing."""


class PlainScheduler(_NoPages, Scheduler):
    """A scheduler without a web server."""


class PlainWorker(_NoPages, Worker):
    """A worker without a web server."""


async def schedule() -> None:
    """Schedule until the input ends."""
    async with PlainScheduler(host=_LOOPBACK, port=0) as scheduler:
        print(scheduler.address, flush=True)
        _end_with_input()
        await scheduler.finished()


async def work(directory: str) -> None:
    """Work for the scheduler named by a line of input, one task at a time, until it ends."""
    address = sys.stdin.readline().strip()
    if not address:
        return
    _end_with_input()
    async with PlainWorker(
        address, nthreads=1, host=_LOOPBACK, local_directory=directory, memory_limit=0
    ) as worker:
        await worker.finished()


def _end_with_input() -> None:
    def wait() -> None:
        sys.stdin.read()
        # The one who would read results is gone, or wants none; nothing is left to put in order.
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main(role: str, directory: str) -> None:
    """Be a ``scheduler`` or a ``worker`` that keeps its files in ``directory``."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    dask.config.set({"temporary-directory": directory})
    asyncio.run(schedule() if role == "scheduler" else work(directory))


if __name__ == "__main__":
    main(*sys.argv[1:])
