"""What is wrong with a value, in words: the schemas' verdicts said in the voice of everything else that is refused.

Repeats nothing of the value, but the name of an unknown field where it is harmless. Knows no request and no command.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# By the type of pydantic's error. The project's own errors are not among them: their text is written where they arise.
PHRASES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "unknown field",
    "string_type": "expected a string",
    "string_unicode": "expected a string without unpaired surrogates",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "list_type": "expected an array",
    "dict_type": "expected a JSON object",
    "model_type": "expected a JSON object",
    "model_attributes_type": "expected a JSON object",
    "uuid_type": "expected a UUID",
    "uuid_parsing": "expected a UUID",
    "literal_error": "expected {expected}",
    "string_too_short": "must have at least {min_length:,} characters",
    "string_too_long": "must have at most {max_length:,} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length:,} items",
    "too_long": "must have at most {max_length:,} items",
    "greater_than": "must be more than {gt:,}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:,}",
    "less_than_equal": "must be at most {le:,}",
}

_HARMLESS = re.compile(r"[A-Za-z0-9_-]{1,64}")


def why(verdict: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a phrase. It must have come with its context, and may be of any type."""
    phrase = PHRASES.get(verdict["type"])
    if phrase is None:
        return str(verdict["msg"]).removeprefix("Value error, ")
    limits = {name: _plain(value) for name, value in verdict.get("ctx", {}).items()}
    if limits.get("min_length") == 1:
        return "must not be empty"
    return phrase.format(**limits)


def unknown(what: str, known: Iterable[str]) -> str:
    """That there is no such field or parameter, and which there are."""
    return f"unknown {what}: there are {', '.join(known) or 'none'}"


def is_harmless(name: str) -> bool:
    """Whether a name that the caller made up may be said back to them, so that they find their typo."""
    return bool(_HARMLESS.fullmatch(name))


def pointer_to(name: str) -> str:
    """The JSON pointer to an unknown field from what holds it; to the latter where the name is not harmless."""
    return f"/{name}" if is_harmless(name) else ""


def _plain(limit: Any) -> Any:
    """A limit as people write it: 100, and not 100.0."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit
