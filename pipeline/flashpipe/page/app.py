"""The addresses of the page, and what stands behind each."""

from __future__ import annotations

import string
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from flashpipe.errors import BadValueError, PipelineError
from flashpipe.limits import limits_told
from flashpipe.page import actions, body
from flashpipe.page.board import BoardOnPage, Work
from flashpipe.page.choice import Choice, settings
from flashpipe.page.guard import Guard
from flashpipe.page.history import routes as history_routes
from flashpipe.page.hub import encoded
from flashpipe.page.render import HERE
from flashpipe.page.site import NO_BOARD, Site
from flashpipe.page.words import failure_facts

STATIC: Final = {"page.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}
"""The files that are served, and no others."""
PLAIN: Final = frozenset(f"{string.ascii_letters}{string.digits}._-".encode())
"""Bytes of a name that a Lua text, and a shell's, hold as they are."""
Handler = Callable[[Request], Awaitable[Response]]


def make_app(site: Site, token: str, once: str = "") -> ASGIApp:
    """The page as a server runs it, behind its guard, which knows `token`, and `once` for one time."""
    boards = _BoardRoutes(site)
    routes = [
        Route("/", _overview(site)),
        Route("/events", _events(site)),
        Route("/static/{name}", _static),
        Route("/favicon.ico", _no_icon),
        Route("/uploads", _told(_upload_set(site)), methods=["POST"]),
        Route("/uploads/{set}", _told(_upload(site)), methods=["POST"]),
        *boards.routes(),
        *history_routes(site),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _not_found(site)})
    return Guard(app, token, once)


def _not_found(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, _error: Exception) -> Response:
        return site.missing("Nothing of this page has that address.")

    return answer


def _told(handler: Handler) -> Handler:
    """A foreseen failure as data: the page shows it where something was clicked."""

    async def answer(request: Request) -> Response:
        try:
            with limits_told():
                return await handler(request)
        except PipelineError as error:
            return JSONResponse(failure_facts(error), 400)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it

    return answer


def _overview(site: Site) -> Handler:
    async def overview(_request: Request) -> Response:
        return HTMLResponse(
            site.renderer.page("boards", site=site, boards=site.boards.all(), render=site.renderer.part)
        )

    return overview


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("There is nothing of that name here.\n", 404)
    return FileResponse(HERE / "static" / name, media_type=STATIC[name])


async def _no_icon(_request: Request) -> Response:
    return FileResponse(HERE / "static" / "icon.svg", media_type=STATIC["icon.svg"])


# --- the stream of events --------------------------------------------------------------------------------------------


def _events(site: Site) -> Handler:
    async def events(_request: Request) -> Response:
        return StreamingResponse(_stream(site), media_type="text/event-stream")

    return events


async def _stream(site: Site) -> AsyncIterator[str]:
    subscriber = site.hub.join()  # before the snapshot: what happens meanwhile is told twice, not never
    site.warm_up()
    try:
        yield "retry: 500\n\n"
        yield await run_in_threadpool(lambda: encoded([*site.teller.snapshot(), *site.station_watch.snapshot()]))
        async for text in subscriber.messages():
            yield text
    finally:
        site.hub.leave(subscriber)


# --- files that are dropped ------------------------------------------------------------------------------------------


def _upload_set(site: Site) -> Handler:
    async def upload_set(request: Request) -> Response:
        form = await body.form(request)
        return JSONResponse({"set": site.uploads.new_set(for_board=bool(form.get("board")))})

    return upload_set


def _upload(site: Site) -> Handler:
    async def upload(request: Request) -> Response:
        name, chosen = request.query_params.get("name", ""), request.path_params["set"]
        data = body.pieces(request, site.uploads.largest(chosen), name[:40] or "the file")
        stored = await site.uploads.add(chosen, name, data)
        return JSONResponse({"name": stored.name})

    return upload


# --- boards ----------------------------------------------------------------------------------------------------------


class _BoardRoutes:
    """What can be asked of one board, and of all."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """The addresses below /boards."""
        one = "/boards/{slug}"
        changing: list[tuple[str, Callable[[Request, BoardOnPage], Awaitable[Response]]]] = [
            (f"{one}/choice", self._choose),
            (f"{one}/do/{{action}}", self._do),
            (f"{one}/stop", self._stop),
            (f"{one}/answer", self._answer),
            (f"{one}/console", self._console),
            (f"{one}/type", self._type),
            (f"{one}/put", self._put),
            (f"{one}/remove", self._remove),
        ]
        return [
            Route("/boards", _told(self._add), methods=["POST"]),
            Route("/do/{action}", _told(self._do_all), methods=["POST"]),
            Route(one, self._page),
            Route(f"{one}/fetched", self._fetched),
            *(Route(path, _told(self._found(handler)), methods=["POST"]) for path, handler in changing),
        ]

    def _found(self, handler: Callable[[Request, BoardOnPage], Awaitable[Response]]) -> Handler:
        async def answer(request: Request) -> Response:
            board = self._site.boards.find(request.path_params["slug"])
            if board is None:
                raise BadValueError("that board is not on the page any more", "go back to all boards")
            return await handler(request, board)

        return answer

    async def _page(self, request: Request) -> Response:
        board = self._site.boards.find(request.path_params["slug"])
        if board is None:
            return self._site.missing(NO_BOARD)
        if not board.busy:  # the page does not wait for what may be a download
            threading.Thread(target=lambda: board.look_at_firmware(again=True), daemon=True).start()
        return HTMLResponse(self._site.renderer.page("board", site=self._site, board=board))

    async def _add(self, request: Request) -> Response:
        form = await body.form(request)
        boards, kind = self._site.boards, form.get("kind")
        board = await run_in_threadpool(lambda: boards.add_virtual(kind) if kind else boards.add(form.get("port", "")))
        if board.choice.profile and not board.firmware:
            await run_in_threadpool(board.look_at_firmware)
        return JSONResponse({"go": f"/boards/{board.slug}"})

    async def _choose(self, request: Request, board: BoardOnPage) -> Response:
        form = await body.form(request)
        chosen = board.choice
        image, folder, offers, left_out = chosen.image, chosen.folder, chosen.offers, chosen.left_out
        if form.get("set"):
            folder = self._site.uploads.folder(form["set"])
            names = [file.path.name for file in self._site.uploads.files(form["set"])]
            jobs = actions.jobs("firmware_offers")
            firmwares = await run_in_threadpool(jobs.find_firmwares, folder, names)
            left_out = jobs.left_out(names, firmwares)
            image, offers = (firmwares[0].image, ()) if len(firmwares) == 1 else ("", tuple(firmwares))
        elif form.get("forget"):
            image, folder, offers, left_out = "", None, (), ()
        elif any(offer.image == form.get("offer") for offer in offers):
            image = form["offer"]
        profile = form.get("profile", "").strip()
        self._site.choose(board, Choice(profile, image, folder, settings(form), offers, left_out))
        await run_in_threadpool(board.look_at_firmware)
        return Response(status_code=204)

    async def _do(self, request: Request, board: BoardOnPage) -> Response:
        form = await body.form(request)
        work = actions.work(request.path_params["action"], form)
        chosen = settings(form)
        if chosen:  # a next step says so: it counts from now on, as if it had been chosen behind "more"
            more = {**dict(board.choice.more), **dict(chosen)}
            self._site.choose(board, replace(board.choice, more=tuple(more.items())))
            await run_in_threadpool(board.look_at_firmware)
        self._start(board, work)
        return Response(status_code=204)

    @staticmethod
    def _start(board: BoardOnPage, work: Work) -> None:
        if not board.start(work):
            raise BadValueError("enough waits for this board already", "let it come to its end, or stop it")

    async def _do_all(self, request: Request) -> Response:
        form = await body.form(request)
        chosen = [board for board in self._site.boards.all() if form.get(f"board-{board.slug}")]
        if not chosen:
            raise BadValueError("no board was chosen", "tick those that it is for")
        work = actions.work(request.path_params["action"], {})
        # Each thread that starts is at work before the next one starts: meanwhile the event loop tells how they go on.
        await run_in_threadpool(self._start_all, chosen, work, form.get("profile", "").strip())
        return Response(status_code=204)

    def _start_all(self, boards: Sequence[BoardOnPage], work: Work, profile: str) -> None:
        for board in boards:
            if profile:
                self._site.choose(board, Choice(profile, more=board.choice.more))
            self._start(board, work)

    async def _stop(self, _request: Request, board: BoardOnPage) -> Response:
        board.stop()
        return Response(status_code=204)

    async def _answer(self, request: Request, board: BoardOnPage) -> Response:
        board.answer(agreed=(await body.form(request)).get("answer") == "yes")
        return Response(status_code=204)

    async def _console(self, request: Request, board: BoardOnPage) -> Response:
        form = await body.form(request)
        verb, text = form.get("verb", ""), form.get("baud", "") or "0"
        if not text.isdecimal() or len(text) > 7 or int(text) > 4_000_000:  # noqa: PLR2004  no adapter is as fast
            raise BadValueError(f"baud={text}: is no rate", "such as 115200")
        if verb == "clear":
            board.console.clear()
        elif verb == "close":
            board.console.end()
        else:
            board.console.begin(int(text))
        return Response(status_code=204)

    async def _type(self, request: Request, board: BoardOnPage) -> Response:
        for line in (await body.form(request)).get("line", "").replace("\r\n", "\n").removesuffix("\n").split("\n"):
            board.console.type(line)
        return Response(status_code=204)

    async def _put(self, request: Request, board: BoardOnPage) -> Response:
        form = await body.form(request)
        files = self._site.uploads.files(form.get("set", ""))
        try:
            known = form["known"].split(",") if form.get("known") else () if "known" in form else None
            work = actions.put_work({file.name: file.path for file in files}, known)
        except PipelineError:
            self._site.uploads.forget(files[0].path.parent)
            raise
        self._start(board, work)
        if form.get("run"):
            code = f"dofile({lua_text(files[0].name)})"
            self._start(board, actions.work("lua", {"code": code}))
        return Response(status_code=204)

    async def _fetched(self, request: Request) -> Response:
        board = self._site.boards.find(request.path_params["slug"])
        data = board.fetched.get(request.query_params.get("name", "")) if board else None
        if data is None:
            return PlainTextResponse("That file was not read.\n", 404)
        return Response(data, media_type="application/octet-stream", headers={"content-disposition": "attachment"})

    async def _remove(self, _request: Request, board: BoardOnPage) -> Response:
        self._site.boards.remove(board.slug)
        return JSONResponse({"go": "/"})


def lua_text(text: str) -> str:
    """A text as Lua writes it."""
    plain = [chr(byte) if byte in PLAIN else f"\\{byte:03d}" for byte in text.encode()]
    return f'"{"".join(plain)}"'
