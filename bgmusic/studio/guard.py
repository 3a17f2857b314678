"""Protect the studio's server: token, Host and Origin, sizes and slow senders, and headers of answers.

The server listens on this machine only, but web pages that the user visits can send requests there too. They know
neither the token nor, after DNS rebinding, the right Host.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Container, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-studio-token"  # noqa: S105 (the name of a header)
MEGABYTE = 1 << 20
BODY_SECONDS = 30.0
"""Seconds in which a request's whole body must arrive."""


class Refused(Exception):
    """A body is too large, or arrives too slowly.

    Attributes:
        answer: what to answer.

    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.answer = _refuse(status, reason)


class Guard:
    """Refuse requests that are not the page's own.

    Args:
        app: the application.
        token: what each request of the API must send in the header ``X-Studio-Token``.
        hosts: allowed values of the header ``Host``, with the port; such as :class:`bgmusic.studio.hosts.Hosts`.
        limits: bytes of a body, by path; a megabyte elsewhere.
        policy: the content security policy of pages.

    """

    def __init__(self, app: ASGIApp, token: str, hosts: Container[str], limits: Mapping[str, int], policy: str) -> None:
        self._app, self._token, self._hosts = app, token.encode(), hosts
        self._limits, self._policy = limits, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        limit = self._limits.get(scope["path"], MEGABYTE)
        refusal = self._refusal(scope, limit)
        if refusal is not None:
            await refusal(scope, receive, self._with_headers(send))
            return
        await self._app(scope, self._limited(receive, limit), self._with_headers(send))

    def _refusal(self, scope: Scope, limit: int) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            return _refuse(421, "open the studio by the address that it printed, or by this machine's IP address")
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return _refuse(403, "requests of other sites are refused")
        is_api = scope["path"].startswith("/api/")
        same = headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if not same and (is_api or scope["method"] != "GET"):
            return _refuse(403, "requests of other sites are refused")
        if is_api:
            given = headers.get(TOKEN, "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, self._token):
                return _refuse(401, "open the studio by the address that it printed: the token is missing or old")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > limit:
            return _refuse(413, f"at most {limit:,} bytes can be sent")
        return None

    def _limited(self, receive: Receive, limit: int) -> Receive:
        seen = 0
        complete = False
        end: float | None = None  # of the time for the whole body, which begins when the application asks for it

        async def limited() -> Message:
            nonlocal seen, complete, end
            if complete:  # waits for the client to leave
                return await receive()
            now = asyncio.get_running_loop().time()
            if end is None:
                end = now + BODY_SECONDS
            try:
                message = await asyncio.wait_for(receive(), end - now)
            except (TimeoutError, asyncio.TimeoutError):
                raise Refused(408, "the request took too long") from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if seen > limit:
                    raise Refused(413, f"at most {limit:,} bytes can be sent")
            return message

        return limited

    def _with_headers(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return with_headers


def _refuse(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers={"Connection": "close"})
