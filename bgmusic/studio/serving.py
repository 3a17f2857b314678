"""Run the studio's server until it is interrupted."""

from __future__ import annotations

import contextlib
import gc
import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from bgmusic.studio.composing import Composers
from bgmusic.studio.hosts import allowed_hosts, links, listen
from bgmusic.studio.server import application
from bgmusic.studio.session import Session

_GRACE = 1  # seconds for answers that are under way when the server ends
_MOST_CONNECTIONS = 200
_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP  # Ctrl-C, kill or a shutdown, a terminal that is closed


class _Server(uvicorn.Server):
    """Tells streams to end when the server ends."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._ending()
        await super().shutdown(sockets)


def serve(
    composers: Composers, port: int, project: Path | None, browser: bool, ready: Callable[[list[str]], None], host: str
) -> Path | None:
    """Serve the studio until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        composers: the composers to choose from.
        port: the port, or 0 for a free one.
        project: the project file that is opened and saved, or None.
        browser: whether to open the page in the user's browser.
        ready: receives the addresses of the page, with the token: for this machine, and any for others.
        host: the address to listen at.

    Returns:
        The file of the project that was not saved, if something was not.

    Raises:
        UserError: the port is taken, the address is not this machine's, or the project or a composer can't be loaded.
        OSError: the project can't be read, or what was not saved can't be written.

    """
    session = Session(composers, project)
    token = secrets.token_urlsafe(24)
    listening = listen(host, port)
    app, api = application(session, token, allowed_hosts(host, listening))

    def ending() -> None:
        api.closing.set()
        session.composers.close()

    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE,
    )
    server = _Server(config, ending)
    addresses = [f"{link}#token={token}" for link in links(host, listening)]
    with _ended_by_signals(server):
        ready(addresses)
        if browser:
            threading.Thread(target=webbrowser.open, args=(addresses[0],), daemon=True).start()
        try:
            server.run([listening])
        finally:
            unsaved = session.close()
            gc.freeze()  # Python's last collection of garbage takes seconds on a busy machine
    return unsaved


@contextlib.contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let signals end the server, and nothing that comes after it: uvicorn raises them again when it has ended."""
    before = {one: signal.getsignal(one) for one in _SIGNALS}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(one, server.handle_exit)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
