"""The studio's web application: pages, and an API of JSON."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from bgmusic.errors import UserError
from bgmusic.music.sound.soundfont import default_soundfont
from bgmusic.studio.composing import Busy
from bgmusic.studio.edits import Whole
from bgmusic.studio.exports import KINDS, export, load_edit
from bgmusic.studio.guard import MEGABYTE, Guard, Refused
from bgmusic.studio.project_file import LARGEST, SUFFIX
from bgmusic.studio.session import Session
from bgmusic.studio.state import MAX_BARS

PAGE = Path(__file__).parent / "page"
LIMITS = {"/api/import": 4 * MEGABYTE, "/api/open": LARGEST, "/api/edit": 8 * MEGABYTE}
"""Bytes of a body, by path."""
MOST_EXPORTS = 4
"""Exports that may wait or run."""
_BEAT = 15.0  # seconds between signs of life in a stream of news

_Answer = Callable[[Request], Awaitable[Response]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Kind = TypeVar("_Kind", bound=_Body)


class _Edits(_Body):
    edits: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]


class _Compose(_Body):
    tracks: Annotated[list[Whole], Field(min_length=1, max_length=64)] | None = None
    beats: tuple[Whole, Whole] | None = None
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**53)] | None = None


class _New(_Body):
    generator: Annotated[str, Field(max_length=1000)]
    bars: Annotated[int, Field(strict=True, ge=1, le=MAX_BARS)] | None = None


class Api:
    """The answers to requests.

    Args:
        session: the project.

    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.closing = asyncio.Event()
        self._exports = 0
        self._exporting = asyncio.Semaphore(1)

    async def state(self, request: Request) -> Response:
        """Return what the page shows."""
        return JSONResponse(self.session.view())

    async def edit(self, request: Request) -> Response:
        """Apply edits."""
        return JSONResponse(self.session.apply((await _read(request, _Edits)).edits))

    async def undo(self, request: Request) -> Response:
        """Undo the last edit."""
        return JSONResponse(self.session.undo())

    async def redo(self, request: Request) -> Response:
        """Redo the edit that was undone last."""
        return JSONResponse(self.session.redo())

    async def new(self, request: Request) -> Response:
        """Begin a new project."""
        body = await _read(request, _New)
        await run_in_threadpool(self.session.composers.shape, body.generator)  # loading takes seconds
        return JSONResponse(self.session.new(body.generator, body.bars))

    async def compose(self, request: Request) -> Response:
        """Begin a composition."""
        body = await _read(request, _Compose)
        return JSONResponse({"job": self.session.compose(body.tracks, body.beats, body.seed)}, 202)

    async def cancel(self, request: Request) -> Response:
        """Cancel all compositions."""
        self.session.composers.cancel()
        return JSONResponse({})

    async def load(self, request: Request) -> Response:
        """Load a MIDI file; ``?given=0,2`` names the tracks that are taken and locked, ``?more=4`` adds open bars."""
        named, more = request.query_params.get("given", ""), request.query_params.get("more", "0")
        given = sorted({int(number) for number in re.findall(r"\d{1,3}", named)})
        if not re.fullmatch(r"(\d{1,3}(,\d{1,3}){0,63})?", named):
            raise UserError("given: numbers of tracks, such as 0,2")
        if not re.fullmatch(r"\d{1,3}", more) or (given and int(more)):
            raise UserError("more: number of bars, without given tracks")
        content, state = await request.body(), self.session.state
        edit, left_out = await self._in_thread(lambda: load_edit(state, content, given, int(more)))
        return JSONResponse(self.session.apply([edit]) | {"left_out": left_out})

    async def open(self, request: Request) -> Response:
        """Open a project file."""
        return JSONResponse(self.session.open(await request.body()))

    async def save(self, request: Request) -> Response:
        """Save the project in its file."""
        return JSONResponse({"file": self.session.save()})

    async def export(self, request: Request) -> Response:
        """Return the piece as a file."""
        kind, state = request.path_params["kind"], self.session.state
        if kind == SUFFIX.removeprefix("."):
            return Response(self.session.project(), media_type="application/gzip")
        content = await self._in_thread(lambda: export(state, kind))
        return Response(content, media_type=KINDS[kind])

    async def command(self, request: Request) -> Response:
        """Return the command that makes the piece, and the kinds of the files that it reads."""
        command = await self._in_thread(self.session.command)
        return JSONResponse({"line": command.line, "files": command.files})

    async def soundfont(self, request: Request) -> Response:
        """Return the SoundFont that the page plays."""
        return FileResponse(default_soundfont(), headers={"Cache-Control": "max-age=86400"})

    async def events(self, request: Request) -> Response:
        """Return a stream of news: compositions that start, go on and end, and edits in other tabs."""
        return StreamingResponse(self._news(self.session.listen()), media_type="text/event-stream")

    async def _news(self, queue: asyncio.Queue[str]) -> AsyncIterator[str]:
        closing = asyncio.ensure_future(self.closing.wait())
        try:
            yield ": hello\n\n"
            while not self.closing.is_set():
                following = asyncio.ensure_future(queue.get())
                done, _ = await asyncio.wait({following, closing}, timeout=_BEAT, return_when=asyncio.FIRST_COMPLETED)
                if following in done:
                    yield following.result()
                else:
                    following.cancel()
                    yield ": still here\n\n"
        finally:
            closing.cancel()
            self.session.leave(queue)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        """Do work in a thread, one at a time."""
        if self._exports >= MOST_EXPORTS:
            raise Busy("files are still being made: wait a moment")
        self._exports += 1
        try:
            async with self._exporting:
                return await run_in_threadpool(work)
        finally:
            self._exports -= 1


def application(session: Session, token: str, hosts: Container[str]) -> tuple[ASGIApp, Api]:
    """Return the web application, guarded, and its answers.

    Args:
        session: the project.
        token: what requests of the API must send.
        hosts: allowed values of ``Host``.

    """
    api = Api(session)

    async def index(request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    routes = [
        Route("/", index),
        Route("/api/state", _safe(api.state)),
        Route("/api/command", _safe(api.command)),
        Route("/api/events", _safe(api.events)),
        Route("/api/export/{kind}", _safe(api.export)),
        *(
            Route(f"/api/{name}", _safe(answer), methods=["POST"])
            for name, answer in (
                ("edit", api.edit),
                ("undo", api.undo),
                ("redo", api.redo),
                ("new", api.new),
                ("compose", api.compose),
                ("cancel", api.cancel),
                ("import", api.load),
                ("open", api.open),
                ("save", api.save),
            )
        ),
        Route("/soundfont.sf2", _safe(api.soundfont)),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    return Guard(Starlette(routes=routes), token, hosts, LIMITS, content_policy()), api


def content_policy() -> str:
    """Return the content security policy: the page's own files, and the scripts within it by their hash."""
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    # The synthesizer's decoder of compressed SoundFonts is WebAssembly.
    allowed = " ".join(["'self'", "'wasm-unsafe-eval'", *(f"'sha256-{one}'" for one in hashes)])
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "worker-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _safe(answer: _Answer) -> _Answer:
    """Answer a user's mistakes with 4xx and a reason, and go on."""

    async def safe(request: Request) -> Response:
        try:
            return await answer(request)
        except Busy as error:
            return JSONResponse({"error": str(error)}, 429)
        except UserError as error:
            return JSONResponse({"error": str(error)}, 400)
        except OSError as error:
            return JSONResponse({"error": str(error)}, 409)
        except Refused as refusal:
            return refusal.answer
        except ClientDisconnect:
            return Response(status_code=499)

    return safe


async def _read(request: Request, kind: type[_Kind]) -> _Kind:
    """Return the body of a request.

    Raises:
        UserError: it is no JSON of that kind.

    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:80]
        raise UserError(f"no such request: {where}: {first['msg'][:200]}") from None
