"""The OpenAPI document, completed: what every operation can answer, said once; and the page that shows it.

A route declares what is particular to it. What follows from its shape (a body may be unreadable, a credential may be
missing, the database may be away) and from its guard (what a caller needs) is added here, so that no route can forget
it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.responses import HTMLResponse

from leadfeed_api import errors
from leadfeed_api.errors import Problem
from leadfeed_api.organizations.needs import Need

router = APIRouter(include_in_schema=False)
FILES = "docs/files"  # what the page is made of

TAGS = (
    ("Ingestion", "Moments come in."),
    ("People", "The CRM's users, accounts and leads come in."),
    ("Feed", "The lead feed, page by page and live."),
    ("Triage", "What I have read, and what I muted for a while."),
    ("Watch list", "The leads I follow beside those I own."),
    ("Subscriptions", "Moments by e-mail."),
    ("Best bets", "Stars, flames and the order of the day."),
    ("Feeds for readers", "RSS, Atom and JSON Feed behind a secret link."),
    ("Administration", "Settings and API keys of an organisation."),
    ("Operations", "For whoever runs the service."),
)
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "`/problems/<code>`: stable, and a page that explains it."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "instance": {"type": "string"},
        "request_id": {"type": ["string", "null"], "description": "Quote it to the operator."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
# The names in an operation's `security` are scopes of a key and roles of a user, as OpenAPI 3.1 has it for any scheme.
SECURITY_SCHEMES: Mapping[str, Any] = {
    "userToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user token. `admin` is the role it must hold; where none is named, `rep` will do.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "lfk_…",
        "description": "An API key that holds the scope named, or `admin`, which includes every other.",
    },
    "streamToken": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "A token from `POST /v1/stream-tokens`, good for one user's stream.",
    },
}
ON_BEHALF_OF: Mapping[str, Any] = {
    "name": "Leadfeed-User",
    "in": "header",
    "required": False,
    "description": "Whose things these are, for an API key: the user's id in the CRM, as UTF-8. User tokens ignore it.",
    "schema": {"type": "string", "title": "Leadfeed-User"},
    "example": "u1",
}
_OF_A_CREDENTIAL = (errors.NotAuthenticated, errors.Forbidden)
_OF_A_BODY = (errors.InvalidBody, errors.BodyTooSlow, errors.BodyTooLarge, errors.UnsupportedMediaType, errors.Invalid)
# Operations that touch nothing but the process answer no 503.
_ALONE = frozenset({"healthz", "metrics"})


@router.get("/docs")
async def show_documentation(request: Request) -> HTMLResponse:
    """The document for people. Its addresses are relative: a proxy may have the service below a path."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{FILES}/favicon.png",
    )


def complete_openapi(app: FastAPI) -> None:
    """Makes ``app.openapi()`` the completed document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _completed(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        license_info=app.license_info,
        servers=app.servers,
    )
    used = {tag for _, operation in _operations(document) for tag in operation.get("tags", ())}
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS if name in used]
    needs = _needs(app)
    for method, operation in _operations(document):
        if operation["operationId"] in needs:
            _secure(operation, needs[operation["operationId"]])
        _complete(operation, method)
    components = document.setdefault("components", {})
    components["securitySchemes"] = SECURITY_SCHEMES
    schemas = components.setdefault("schemas", {})
    for leftover in ("HTTPValidationError", "ValidationError"):
        schemas.pop(leftover, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    _restore_nulls(schemas)
    return document


def _restore_nulls(schemas: dict[str, Any]) -> None:
    """FastAPI leaves every null out of the document, those in examples included: there they are put back."""
    models = {model.__name__: model for model in _models(BaseModel) if model.__module__.startswith("leadfeed_api.")}
    for name, schema in schemas.items():
        shown = models[name].model_config.get("json_schema_extra") if name in models else None
        if isinstance(shown, dict) and "examples" in shown:
            schema["examples"] = shown["examples"]


def _models(base: type[BaseModel]) -> Iterable[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _operations(document: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Each with its method."""
    return (named for path in document["paths"].values() for named in path.items())


def _needs(app: FastAPI) -> dict[str, Need]:
    """What each operation needs, by its id; nothing of those that are open. It is the guard's that its route names."""
    dependants = ((route.name, getattr(route, "dependant", None)) for route in iter_route_contexts(app.routes))
    guards = ((name, one.call) for name, dependant in dependants if dependant for one in dependant.dependencies)
    return {str(name): guard for name, guard in guards if isinstance(guard, Need)}


def _secure(operation: dict[str, Any], need: Need) -> None:
    """Says what the operation needs, to machines and to people."""
    alternatives: list[dict[str, list[str]]] = [{"userToken": [] if need.own else ["admin"]}, {"apiKey": [need.scope]}]
    operation["security"] = [*alternatives, *([{"streamToken": []}] if need.stream else [])]
    operation["description"] += f"\n\nNeeds {need}."
    if need.own:
        operation.setdefault("parameters", []).append(ON_BEHALF_OF)


def _complete(operation: dict[str, Any], method: str) -> None:
    """Adds the problems that follow from the operation's shape, and gives every problem its schema."""
    answers = operation["responses"]
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]  # FastAPI's own, which is never sent
    for kind in _possible(operation, method):
        answers.setdefault(str(kind.status), {"description": f"{kind.title()}."})
    for status, answer in answers.items():
        if int(status) >= 400:
            problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            answer["content"] = {**problem, **answer.get("content", {})}
    operation["responses"] = dict(sorted(answers.items()))


def _possible(operation: Mapping[str, Any], method: str) -> Iterable[type[Problem]]:
    if operation.get("security"):
        yield from _OF_A_CREDENTIAL
        yield errors.Invalid  # for a query parameter that nobody knows
    if "requestBody" in operation:
        yield from _OF_A_BODY
    elif method in {"post", "put", "patch"} and operation.get("security"):  # what is there is read, to refuse it
        yield from (errors.BodyTooSlow, errors.BodyTooLarge)
    if any(parameter["in"] in {"query", "path"} for parameter in operation.get("parameters", ())):
        yield errors.Invalid
    if operation["operationId"] not in _ALONE:
        yield errors.Unavailable
