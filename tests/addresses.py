"""Every operation of the OpenAPI document, for tests that none of them may escape.

Owns the reading of the document. What a name in it stands for, each test says for itself.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from tools import ROOT

DOCUMENT = ROOT / "openapi" / "openapi.json"


@dataclass(frozen=True)
class Operation:
    """One method at one address; ``path`` has its names in braces."""

    method: str
    path: str
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def needs_credential(self) -> bool:
        """Whether it asks who is asking."""
        return bool(self.document.get("security"))

    @property
    def credentials(self) -> Mapping[str, set[str]]:
        """The kinds of credential of which any will do, each with the scopes or roles that it needs."""
        return {kind: set(needed) for one in self.document.get("security", ()) for kind, needed in one.items()}

    def names(self, place: str) -> list[str]:
        """The names of its parameters in ``path``, ``query`` or ``header``."""
        return [one["name"] for one in self.document.get("parameters", ()) if one["in"] == place]

    def address(self) -> str:
        """Its path with every name filled in by something that fits it and that nobody has."""
        schemas = {one["name"]: resolved(one["schema"]) for one in self.document.get("parameters", ())}
        return self.path.format(**{name: _some(schemas[name]) for name in self.names("path")})

    def body_schema(self, media_type: str = "application/json") -> Mapping[str, Any] | None:
        """The schema of its body, with references followed one step; None when it takes none of that type."""
        content = self.document.get("requestBody", {}).get("content", {})
        schema: Mapping[str, Any] | None = content.get(media_type, {}).get("schema")
        return schema and resolved(schema)


@cache
def openapi() -> dict[str, Any]:
    """The committed document, which ``test_docs`` holds to the code: making it takes each worker a second."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return document


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, or what it refers to."""
    if "$ref" in schema:
        found: Mapping[str, Any] = openapi()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema


def _some(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "uuid":
        return str(uuid4())
    return str(schema["enum"][0]) if "enum" in schema else "nobody"


def operations() -> Iterator[Operation]:
    """All of them."""
    for path, methods in openapi()["paths"].items():
        for method, document in methods.items():
            yield Operation(method.upper(), path, document)


def property_names(schema: Mapping[str, Any]) -> set[str]:
    """The names of everything a body can hold, at any depth."""
    schema = resolved(schema)
    names: set[str] = set()
    for name, inner in schema.get("properties", {}).items():
        names |= {name, *property_names(inner)}
    for inner in [schema.get("items", {}), *schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        names |= property_names(inner) if inner else set()
    return names
