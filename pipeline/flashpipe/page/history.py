"""What was done: receipts one by one and as a list, backups, and profiles that are written from what was chosen."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from flashpipe.errors import PipelineError
from flashpipe.page import body
from flashpipe.page.choice import Choice
from flashpipe.page.site import NO_BOARD, Site
from flashpipe.page.words import failure_facts
from flashpipe.records.backup_index import stores
from flashpipe.records.history import StoredReceipt, read_receipts
from flashpipe.records.project_folder import own_records, records_folder

Handler = Callable[[Request], Awaitable[Response]]
NEWEST: Final = 200
"""Receipts of the list; `flashpipe report` sums up all."""
_NAME: Final = re.compile(r"[\w.-]+\.json")
BAR: Final = 300
"""Units of the longest bar in the plot of seconds."""


def routes(site: Site) -> list[Route]:
    """The addresses below /receipts and /backups, and those about stations, profiles and bundles."""
    return [
        Route("/receipts", _shown(site, _receipts)),
        Route("/receipts/{name}", _shown(site, _receipt)),
        Route("/backups", _shown(site, _backups)),
        Route("/station", _shown(site, _stations)),
        Route("/bundle", _shown(site, _bundle)),
        Route("/bundle/zip", _shown(site, _bundle_zip)),
        Route("/boards/{slug}/profile", _shown(site, _proposal)),
        Route("/boards/{slug}/profile", _save(site), methods=["POST"]),
    ]


def _shown(site: Site, show: Callable[[Site, Request], Response]) -> Handler:
    """A page that is made outside the event loop; what fails is a page too."""

    async def answer(request: Request) -> Response:
        try:
            return await run_in_threadpool(show, site, request)
        except PipelineError as error:
            return HTMLResponse(site.renderer.page("failure", site=site, failure=failure_facts(error)), 400)

    return answer


def _own(site: Site) -> list[StoredReceipt]:
    folder = own_records(records_folder(site.project, caller=site.folders[1]))
    return read_receipts(folder / "receipts")[0]


def _receipts(site: Site, _request: Request) -> Response:
    receipts = _own(site)
    return HTMLResponse(
        site.renderer.page("receipts", site=site, receipts=receipts[: -NEWEST - 1 : -1], all=len(receipts))
    )


def _receipt(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    receipts = [one for one in _own(site) if one.name == name] if _NAME.fullmatch(name) else []
    if not receipts:
        return site.missing("There is no receipt of that name.", ("/receipts", "To what was done"))
    record = receipts[0].record
    return HTMLResponse(
        site.renderer.page(
            "receipt", site=site, receipt=receipts[0], record=record, steps=plot(record.get("steps", ()))
        )
    )


_YEAR_S: Final = 366 * 24 * 3600


def plot(steps: Any) -> list[Mapping[str, object]]:
    """Where the seconds went: each step's name, seconds and bar, to scale."""
    rows = [
        (str(step[0]), float(step[1]))
        for step in (steps if isinstance(steps, list | tuple) else ())
        if isinstance(step, list | tuple) and len(step) == 2 and _is_a_time(step[1])  # noqa: PLR2004
    ]
    longest = max((seconds for _, seconds in rows), default=0.0) or 1.0
    return [{"name": name, "seconds": seconds, "width": round(BAR * seconds / longest)} for name, seconds in rows]


def _is_a_time(value: Any) -> bool:
    """Whether a step can have taken so many seconds; JSON knows infinity, and numbers beyond any."""
    return isinstance(value, int | float) and 0 <= value < _YEAR_S


def _stations(site: Site, _request: Request) -> Response:
    own_records(records_folder(site.project, caller=site.folders[1]))
    return HTMLResponse(site.renderer.page("station", site=site, stations=site.station_watch.stations()))


def _backups(site: Site, _request: Request) -> Response:
    folder = own_records(records_folder(site.project, caller=site.folders[1]))
    manifests = [manifest for store in stores(folder / "backups") for manifest in store.manifests()]
    return HTMLResponse(
        site.renderer.page(
            "backups",
            site=site,
            backups=sorted(manifests, key=lambda one: one.id, reverse=True),
            boards=site.boards.all(),
        )
    )


def _collected(site: Site) -> dict[str, str]:
    collected: dict[str, str] = import_module("flashpipe.jobs.bundle").collect(
        own_records(records_folder(site.project, caller=site.folders[1]))
    )
    return collected


def _bundle(site: Site, _request: Request) -> Response:
    return HTMLResponse(site.renderer.page("bundle", site=site, contents=_collected(site)))


def _bundle_zip(site: Site, _request: Request) -> Response:
    headers = {"content-disposition": 'attachment; filename="flashpipe-bundle.zip"'}
    return Response(
        import_module("flashpipe.jobs.bundle").as_zip(_collected(site)), media_type="application/zip", headers=headers
    )


# --- profiles --------------------------------------------------------------------------------------------------------


def _proposal(site: Site, request: Request) -> Response:
    board = site.boards.find(request.path_params["slug"])
    if board is None:
        return site.missing(NO_BOARD)
    name = request.query_params.get("name", "")
    profiles = import_module("flashpipe.page.save_profile")
    text, wrong = "", None
    try:
        text = profiles.proposal(name, board.choice, board.device, site.project) if name else ""
    except PipelineError as error:
        wrong = failure_facts(error)
    shown = site.renderer.page("profile", site=site, board=board, name=name, text=text, wrong=wrong)
    return HTMLResponse(shown, 400 if wrong else 200)


def _save(site: Site) -> Handler:
    async def answer(request: Request) -> Response:
        board = site.boards.find(request.path_params["slug"])
        if board is None:
            return JSONResponse({"message": "that board is not on the page any more"}, 400)
        try:
            form = await body.form(request)
            name = form.get("name", "")
            write = import_module("flashpipe.page.save_profile").save
            path = await run_in_threadpool(write, name, form.get("text", ""), board.choice, site.project)
        except PipelineError as error:
            return JSONResponse(failure_facts(error), 400)
        site.choose(board, Choice(name))
        await run_in_threadpool(board.look_at_firmware)
        return JSONResponse({"message": f"written: {path.name}", "go": f"/boards/{board.slug}"})

    return answer
