"""HEAD wherever there is GET (RFC 9110, section 9.1): the same answer, and its body kept back.

Owns that alone. The live feed and the feeds for readers are asked for so often that they answer HEAD themselves, in
``express``.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Pure ASGI middleware, around the application's own routes, of which none need name HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Asks for what HEAD is about by GET; passes everything else on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET"}  # a copy: the server, and whoever counts requests, go by their own
        try:
            await self.app(asked, receive, without_body)
        finally:
            if "route" in asked:
                scope["route"] = asked["route"]  # for the metrics
