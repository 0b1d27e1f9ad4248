"""Errors to the wire: every failure leaves as ``application/problem+json`` (RFC 9457), and its ``type`` is a page.

The one handler. Never echoes what the caller sent, never shows a stack trace.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadfeed_api import errors
from leadfeed_api.errors import Fault, Problem
from leadfeed_api.faults import is_harmless, why
from leadfeed_api.telemetry import log, redact_path
from leadfeed_api.wire import unknown_parameter

router = APIRouter(include_in_schema=False)

MEDIA_TYPE = "application/problem+json"
_IN_A_PATH = "/:@!$&'()*+,;="  # what RFC 3986 lets stand in a path as it is
_BY_STATUS: dict[int, type[Problem]] = {
    400: errors.BadRequest,
    401: errors.NotAuthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    408: errors.BodyTooSlow,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Invalid,
    429: errors.TooMany,
    503: errors.Unavailable,
}


def speak_problems(app: FastAPI) -> None:
    """Makes every error of ``app`` a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_departure)
    app.add_exception_handler(Exception, _on_failure)


def respond(request: Request, problem: Problem) -> Response:
    """The problem as a response to this request."""
    instance = quote(redact_path(request.scope["path"]), safe=_IN_A_PATH)
    if (reason := _reason(problem)) is not None:
        request.state.reason = reason
    body = problem.document(instance=instance, request_id=getattr(request.state, "request_id", None))
    headers = {**problem.response_headers, "Cache-Control": "no-store", "Content-Length": str(len(body))}
    return Response(b"" if request.method == "HEAD" else body, problem.status, headers, MEDIA_TYPE)


def _reason(problem: Problem) -> str | None:
    """For the operator. A value that could not be encoded is the caller's, and is not written."""
    if isinstance(problem, errors.InvalidToken):
        return problem.detail
    cause = problem.__cause__
    if cause is None or not isinstance(problem, errors.Unavailable):
        return None
    return type(cause).__name__ if isinstance(cause, ValueError) else repr(cause)


async def _on_problem(request: Request, error: Exception) -> Response:
    return respond(request, error if isinstance(error, Problem) else errors.InternalError())


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    found: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else []
    if any(one["type"] == "json_invalid" for one in found):
        reason = found[0].get("ctx", {}).get("error", "it is not JSON")
        return respond(request, errors.InvalidBody(f"The body cannot be read: {reason}."))
    return respond(request, errors.Invalid(errors=[_fault(one) for one in found[:50]]))


def _fault(error: Any) -> Fault:
    """Where and why. An unknown field is located at its parent, unless its name is harmless."""
    where, *path = error["loc"]
    detail = why(error)
    if error["type"] == "extra_forbidden":
        name = str(path[-1])
        if where == "query":
            return unknown_parameter(name)
        path = path if is_harmless(name) else path[:-1]
    if where == "body":
        return {"pointer": "".join(f"/{_escaped(part)}" for part in path), "detail": detail}
    name = str(path[0]) if path else ""
    return {"header": name, "detail": detail} if where == "header" else {"parameter": name, "detail": detail}


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status, headers = 500, {}
    if isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
    if status == 405:
        headers["Allow"] = _allowed(request)
    kind = _BY_STATUS.get(status, errors.BadRequest if status < 500 else errors.InternalError)
    return respond(request, kind(headers=headers))


async def _on_departure(request: Request, _: Exception) -> Response:
    """The caller left in the middle of the body: nobody will read this, and it is no failure of ours."""
    return respond(request, errors.BadRequest())


def _allowed(request: Request) -> str:
    """Every method the address answers; the framework names those of the first route that has the address."""
    routes: Sequence[BaseRoute] = request.app.routes
    answered = [
        "GET, HEAD" if method == "GET" else method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ", ".join(answered)


class Failures:
    """Pure ASGI middleware: a failure is answered here, so that what is around it sees that answer like any other.

    The framework's own answer comes from outside everything: without a request id in its header, and without what CORS
    adds, so that a page would see a broken network. One in the middle of an answer is left to the server, which can
    but end the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        began = False

        async def noted(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http" or began:
                raise
            answer = await _on_failure(Request(scope), error)
            await answer(scope, receive, send)


class Cors(CORSMiddleware):
    """CORS as the framework does it, except that a refused preflight is a problem like any other."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether a page may do what its browser asks for."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        told = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        if not self.is_allowed_origin(request_headers["origin"]):
            return _Refusal(errors.CrossOrigin(headers=told))
        methods, headers = told["access-control-allow-methods"], told["access-control-allow-headers"]
        detail = f"Pages may use only these methods: {methods}; these headers: {headers}; and no private network."
        return _Refusal(errors.CrossOrigin(detail, headers=told))


class _Refusal(Response):
    """A problem made into a response no earlier than its request is known."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(status_code=problem.status)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the problem."""
        await respond(Request(scope), self._problem)(scope, receive, send)


async def _on_failure(request: Request, error: Exception) -> Response:
    request_id = getattr(request.state, "request_id", None)
    log.error("failure", request_id=request_id, path=redact_path(request.scope["path"]), exc_info=error)
    return respond(request, errors.InternalError())


def catalogue() -> dict[str, list[type[Problem]]]:
    """Every problem that is answered with, by code; those that share one in the order of the tree."""

    def below(kind: type[Problem]) -> list[type[Problem]]:
        return [one for child in kind.__subclasses__() for one in (child, *below(child))]

    found: dict[str, list[type[Problem]]] = {}
    for kind in below(Problem):
        found.setdefault(kind.code, []).append(kind)
    return found


@router.get("/problems/{code}")
async def explain(code: str) -> HTMLResponse:
    """What a problem's ``type`` leads to."""
    kinds = catalogue().get(code)
    if kinds is None:
        raise errors.NotFound
    meanings = "".join([f"<p>Status {kind.status}: {' '.join((kind.__doc__ or '').split())}</p>" for kind in kinds])
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{code}</title><h1>{kinds[0].title()}</h1>"
    page = f"{head}<p>The problem's code is <code>{code}</code>.</p>{meanings}</html>"
    return HTMLResponse(page, headers=_ALONE)


_ALONE = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff"}
