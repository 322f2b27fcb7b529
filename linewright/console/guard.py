"""What keeps the console to itself: known host names, actions from its own pages only, nothing loaded from elsewhere.

The console has no login yet, so its door is the loopback interface. A page on another site that is open in the same
browser must not reach it: requests with a foreign `Origin` are refused, web sockets included, and where the console
listens on loopback only, so are foreign `Host` names (DNS rebinding).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""Inline scripts and `eval` are what the page framework is built on; no outside text is ever placed as markup."""


def refusal(headers: Iterable[tuple[bytes, bytes]], *, loopback_only: bool) -> str:
    """Why a request is refused; empty where it is welcome."""
    found = Headers(raw=list(headers))
    host = found.get("host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if loopback_only and name not in LOOPBACK_NAMES:
        return f"This console answers on this machine only, not as {name or 'an unnamed host'}."
    origin = found.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "This request comes from another site, so it is refused."
    return ""


@dataclass(frozen=True, slots=True)
class Guard:
    """ASGI middleware around everything that the console serves."""

    app: ASGIApp
    loopback_only: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a welcome request on, with security headers on its answer; refuse any other."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if reason := refusal(scope["headers"], loopback_only=self.loopback_only):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": reason})
            else:
                await PlainTextResponse(reason, status_code=403)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_guarded)
