"""Who may talk to the page: the browser that was given the token, on this machine, from a page of our own.

A web page elsewhere can send requests to 127.0.0.1, and with a name that it lets point there (DNS rebinding) even read
the answers. So each request has to name this machine as its host, one that changes something has to come from our own
page, and all have to bring the cookie that only the token in the printed address gives.
"""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Whatever port stands behind: `ssh -L` may give the page another one."""
START: Final = "/start/"
"""Before the token in the address that is opened; in a query, other programs would take it for a password to hide."""
READING: Final = frozenset({"GET", "HEAD"})
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer: nothing from elsewhere is loaded, nothing of ours is kept or shown in somebody else's page."""
ENTER: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
    '<title>flashpipe</title><p><a href="/">To the boards</a></p></html>\n'
)
"""The first page. No redirect: a browser that was sent here by another program would leave out the new cookie then."""
CLOSED: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Not open to you - flashpipe</title><main><h1>This page is for whoever started it</h1>"
    "<p>Open the address that <code>flashpipe page</code> has printed; it is another one after each start.</p>"
    "</main></html>\n"
)


class Guard:
    """Lets through what comes from our own page, and turns the token of the printed address into a cookie."""

    def __init__(self, app: ASGIApp, token: str, once: str = "") -> None:
        """Take what is guarded and the token; `once` is another that counts only once."""
        self._app = app
        self._token = token
        self._once = once
        self._key = secrets.token_urlsafe(32)
        self._cookie = f"flashpipe-{secrets.token_hex(4)}"
        """Cookies do not tell ports apart: another server's on this machine shall not take the place of ours."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    ours.setdefault(name, value)
            await send(message)

        refusal = self._judge(scope, headers)
        await (refusal or self._app)(scope, receive, with_headers)

    def _judge(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that is not let through."""
        host = headers.get("host", "")
        if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
            return PlainTextResponse("This is no name of this machine.\n", 421)
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("Another site has no business here.\n", 403)
        if scope["method"] not in READING and origin is None:
            return PlainTextResponse("Only the page itself may change something.\n", 403)
        if self._knows(headers) and not scope["path"].startswith(START):
            return None
        if scope["method"] == "GET" and self._admits(scope["path"].removeprefix(START)):
            answer = HTMLResponse(ENTER)
            answer.set_cookie(self._cookie, self._key, httponly=True, samesite="strict", path="/")
            return answer
        return HTMLResponse(CLOSED, 403)

    def _admits(self, token: str) -> bool:
        if self._once and hmac.compare_digest(token.encode(), self._once.encode()):
            self._once = ""
            return True
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _knows(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        cookie = cookies.get(self._cookie)
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._key.encode())
