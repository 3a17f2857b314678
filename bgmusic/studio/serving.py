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

from bgmusic.errors import UserError
from bgmusic.studio.composing import Composers
from bgmusic.studio.server import application
from bgmusic.studio.session import Session

_GRACE = 1  # seconds for answers that are under way when the server ends
_MOST_CONNECTIONS = 200
_LOOPBACK = "127.0.0.1"
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
    composers: Composers, port: int, project: Path | None, browser: bool, ready: Callable[[str], None], host: str
) -> Path | None:
    """Serve the studio until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        composers: the composers to choose from.
        port: the port, or 0 for a free one.
        project: the project file that is opened and saved, or None.
        browser: whether to open the page in the user's browser.
        ready: receives the address, with the token, when requests are answered.
        host: the address to listen at.

    Returns:
        The file of the project that was not saved, if something was not.

    Raises:
        UserError: the port is taken, or the project or a composer can't be loaded.
        OSError: the project can't be read, or what was not saved can't be written.

    """
    session = Session(composers, project)
    token = secrets.token_urlsafe(24)
    listening = _listen(host, port)
    port = int(listening.getsockname()[1])
    names = {host, "localhost", _LOOPBACK} if host == _LOOPBACK else {host}
    app, api = application(session, token, [f"{name}:{port}" for name in names])

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
    address = f"http://{host}:{port}/#token={token}"
    with _ended_by_signals(server):
        ready(address)
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
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


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        UserError: the port is taken, or the address is not this machine's.

    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UserError(f"port {port} of {host} can't be used: {error.strerror}; choose another --port") from None
    return listening
