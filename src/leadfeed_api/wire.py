"""How a request is read: strict JSON, from whoever may send it, and ids in a path as they are.

Owns what all bodies have in common: one JSON document in UTF-8 without a byte-order mark, keys unique, no NaN or
Infinity by name. How much of a body is taken is said in ``bodies``, what a single value may be in ``fields``.

Knows no table and no route.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_origin
from urllib.parse import unquote

from fastapi import Depends, Path, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.fields import FieldInfo
from starlette.datastructures import QueryParams
from starlette.routing import Match
from starlette.types import Scope

from leadfeed_api.errors import Fault, Invalid, InvalidBody, NotFound, Problem, UnsupportedMediaType
from leadfeed_api.faults import is_harmless, unknown
from leadfeed_api.fields import CrmId

R = TypeVar("R")
LONGEST_MEDIA_TYPE = 256  # characters, with its parameters; anybody may send one, before we know who it is
LONGEST_PATH = 4_096  # bytes, encoded: two ids of 128 four-byte characters. Reading 60 KB of slashes took 100 ms
SHORT = 256 * 1024  # bytes: the strangest body of so many holds the loop for 50 ms, one of 4 MB for most of a second
_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH"})
LeadId = Annotated[CrmId, Path(description="The lead's id in the CRM.", examples=["00Q8d000004"])]


def otherwise(problem: type[NotFound]) -> WrapValidator:
    """For an id of ours in a path: what can be none is not found, like any that there is not."""

    def found(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        try:
            return read(value)
        except ValidationError:
            raise problem from None

    return WrapValidator(found)


def strict_json(body: bytes) -> Any:
    """One JSON document, read the strict way.

    Raises ``json.JSONDecodeError`` with what is wrong, never echoing the body.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _NotStrict("the body is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise _NotStrict("the body starts with a byte-order mark")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_int)
    except RecursionError:
        raise _NotStrict("the body is nested too deeply") from None
    except _NotStrict:
        raise
    except json.JSONDecodeError as error:
        raise _NotStrict(f"it is not JSON at line {error.lineno}, column {error.colno}") from None


def json_document(body: bytes) -> Any:
    """As :func:`strict_json`, but raises ``InvalidBody``."""
    try:
        return strict_json(body)
    except json.JSONDecodeError as error:
        raise InvalidBody(f"The body cannot be read: {error.msg}.") from None


async def read_body(reader: Callable[[bytes], R], request: Request) -> R:
    """What ``reader`` makes of a request's body, beside the loop unless it is ``SHORT``: nobody waits for another's."""
    body = await request.body()
    return reader(body) if len(body) < SHORT else await asyncio.to_thread(reader, body)


class _NotStrict(json.JSONDecodeError):
    def __init__(self, reason: str) -> None:
        super().__init__(reason, "", 0)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _NotStrict("an object names one key twice")
    return document


def _refuse(_: str) -> float:
    raise _NotStrict("NaN and Infinity are not JSON")


def _int(digits: str) -> int | float:
    """Intentional: digits beyond 64 bits are read like any large number, so that its field can refuse it by itself.

    So is 1e400, which is JSON: it becomes an infinity, which no field takes.
    """
    return int(digits) if len(digits) <= 20 else float(digits)


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters, in small letters; empty for none, and for a charset other than UTF-8."""
    content_type = headers.get("content-type", "")
    return _media_type(content_type) if len(content_type) <= LONGEST_MEDIA_TYPE else ""


@lru_cache(maxsize=64)  # of a few that nearly everybody sends
def _media_type(content_type: str) -> str:
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    named = [
        text.strip().strip('"') for name, _, text in (one.partition("=") for one in parameters) if name == "charset"
    ]
    return kind if set(named) <= {"utf-8", "utf8", "us-ascii"} else ""


def demand_unencoded(headers: Mapping[str, str]) -> None:
    """Raises ``UnsupportedMediaType`` for a body that is said to be compressed (RFC 9110, section 8.4)."""
    if "content-encoding" in headers and headers["content-encoding"].strip().lower() not in {"identity", ""}:
        raise UnsupportedMediaType(
            "The body is compressed, which no address takes: send it as it is.", headers={"Accept-Encoding": "identity"}
        )


def demand_json(headers: Mapping[str, str]) -> None:
    """Raises ``UnsupportedMediaType`` unless the body is said to be JSON, and not compressed."""
    demand_unencoded(headers)
    if media_type(headers) != "application/json":
        raise of_another_type("application/json")


def of_another_type(*accepted: str) -> UnsupportedMediaType:
    """What a body is told that is of none of the accepted content types (RFC 9110, section 15.5.16)."""
    named = " and ".join([part for part in (", ".join(accepted[:-1]), accepted[-1]) if part])
    return UnsupportedMediaType(
        f"This address accepts only {named}, in UTF-8.", headers={"Accept": ", ".join(accepted)}
    )


def announced_length(headers: Mapping[str, str]) -> int | None:
    """How many bytes a body is said to have; None where nothing is said, or no number."""
    length = headers.get("content-length", "")
    return int(length[:20]) if length.isdecimal() else None


def has_a_body(scope: Scope) -> bool:
    """Whether a body was announced; HTTP/1.1 has no other (RFC 9112, section 6.3)."""
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


def refusals(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """What a route may also answer, for its ``responses``: each problem by its title and its code."""
    return {kind.status: {"description": f"{kind.title()} (`{kind.code}`)."} for kind in kinds}


class StrictRequest(Request):
    """A request whose JSON body is read by :func:`strict_json`."""

    async def json(self) -> Any:
        """The body as Python values."""
        return await read_body(strict_json, self)


class StrictRoute(APIRoute):
    """A route that reads its body the strict way, and ids in its path as they are: ``APIRouter(route_class=…)``.

    Who is asking is asked first: nobody reads a stranger's body, nor tells them what is wrong with it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, given a :class:`StrictRequest`."""
        handle = super().get_route_handler()
        enter = self._dependencies_alone()
        is_ours = self.path.startswith("/v1/")
        names = QueryNames.of(self.dependant) if is_ours else QueryNames()
        takes_none = self.body_field is None and "requestBody" not in (self.openapi_extra or {})

        async def strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            misnamed = names.fault(strict.query_params)
            unasked = takes_none and strict.method in _WITH_A_BODY and has_a_body(strict.scope)
            if misnamed is not None or unasked or self.body_field is not None:
                await enter(strict)
            if misnamed is not None:
                raise Invalid(errors=[misnamed])
            if unasked:
                await _demand_nothing(strict)
            if self.body_field is not None and await strict.body():
                demand_json(strict.headers)
            answer = await handle(strict)
            if is_ours:
                answer.headers.setdefault("Cache-Control", "private, no-store")  # everybody's own
            return answer

        return strictly

    def _dependencies_alone(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """A handler that solves what the route depends on and no more; the framework itself reads the body first."""
        asked = [Depends(one.call) for one in self.dependant.dependencies]
        return APIRoute(self.path, _nothing, dependencies=asked).get_route_handler()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As usual, except that an encoded slash belongs to the id it stands in and not to the path around it."""
        encoded: bytes = scope.get("raw_path") or b""
        if len(encoded) > LONGEST_PATH or b"%2f" not in encoded.lower():
            return super().matches(scope)
        match, found = super().matches({**scope, "path": encoded.decode("latin-1")})
        if match is not Match.NONE:
            found["path_params"] = {name: unquote(value) for name, value in found["path_params"].items()}
        return match, found


async def _nothing() -> Response:
    return Response()


async def _demand_nothing(request: Request) -> None:
    """Raises ``Invalid`` unless the body is empty or ``{}``: who sends a field believes that it is heeded."""
    if (await request.body()).strip() not in {b"", b"{}"}:
        raise Invalid(errors=[{"pointer": "", "detail": "this address takes no fields"}])


def unknown_parameter(name: str, known: Iterable[str] | None = None) -> Fault:
    """What is wrong with a query parameter that the address does not have; ``known`` are those it has."""
    fault: Fault = {"detail": "unknown query parameter" if known is None else unknown("query parameter", known)}
    return {"parameter": name, **fault} if is_harmless(name) else fault


class QueryNames(NamedTuple):
    """What a query may name: nothing but ``known``, where that is said, and ``single`` no more than once."""

    known: Collection[str] | None = None
    single: Collection[str] = ()

    @classmethod
    def of(cls, dependant: Dependant) -> "QueryNames":
        """What a route declares. A model refuses by itself what it does not know."""
        fields: dict[str, FieldInfo] = {}  # in order
        read_by_model = False
        for one in (dependant, *dependant.dependencies):
            for parameter in one.query_params:
                kind = parameter.field_info.annotation
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    read_by_model = True
                    fields |= kind.model_fields
                else:
                    fields[parameter.alias] = parameter.field_info
        single = [name for name, field in fields.items() if get_origin(field.annotation) is not list]
        return cls(None if read_by_model else [*fields], single)

    def fault(self, query: QueryParams) -> Fault | None:
        """The first thing wrong with the names in a query."""
        if self.known is not None:
            for name in query:
                if name not in self.known:
                    return unknown_parameter(name, self.known)
        return next((given_twice(name) for name in self.single if len(query.getlist(name)) > 1), None)

    def demand(self, query: QueryParams) -> None:
        """Raises ``Invalid`` for the first thing wrong."""
        if (fault := self.fault(query)) is not None:
            raise Invalid(errors=[fault])


def given_twice(name: str) -> Fault:
    """What is wrong with a query parameter that has two values: one of them would be passed over."""
    return {"parameter": name, "detail": "may be given only once"}


async def json_body(request: Request) -> Any:
    """The JSON document in a request's body, for routes that judge it item by item.

    Raises ``UnsupportedMediaType`` for another content type, ``InvalidBody`` for what is no strict JSON.
    """
    demand_json(request.headers)
    return await read_body(json_document, request)
