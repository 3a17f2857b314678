"""Run the studio's server until it is interrupted."""

from __future__ import annotations

import gc
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from bgmusic.errors import UserError
from bgmusic.studio.composing import Composers
from bgmusic.studio.server import application
from bgmusic.studio.session import Session

_GRACE = 1  # seconds for answers that are under way when the server ends
_MOST_CONNECTIONS = 200
_LOOPBACK = "127.0.0.1"


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
    """Serve the studio until Ctrl-C.

    Args:
        composers: the composers to choose from.
        port: the port, or 0 for a free one.
        project: the project file that is opened and saved, or None.
        browser: whether to open the page in the user's browser.
        ready: receives the address, with the token, when requests are answered.
        host: the address to listen at.

    Returns:
        The file beside the project in which what was not saved is, if something was not.

    Raises:
        UserError: the port is taken, or the project or a composer can't be loaded.
        OSError: the project can't be read.

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
    ready(address)
    if browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        server.run([listening])
    except KeyboardInterrupt:  # uvicorn raises it again when it has ended
        pass
    finally:
        unsaved = session.close()
        gc.freeze()  # Python's last collection of garbage takes seconds on a busy machine
    return unsaved


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
