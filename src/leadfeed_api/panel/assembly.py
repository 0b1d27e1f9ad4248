"""One ES module out of the panel's parts, so that a host page makes one request.

The parts are ES modules themselves; each names what it needs by `import … from "./part.js"`. Putting them together is
putting them in order: imports go, `export` goes, everything shares one scope. No tool, no build step. Pure.
"""

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import [^;]* from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async |class |function |const |let ))", re.MULTILINE)
_COMMENT_LINES = re.compile(r"^[ \t]*(?://.*|/\*\*(?:.|\n)*?\*/[ \t]*)\n", re.MULTILINE)


def in_order(parts: Mapping[str, str], entry: str) -> list[str]:
    """The names of ``entry`` and all it imports, each after what it imports. Raises ``ValueError`` for a circle."""
    ordered: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"the panel's parts import each other in a circle: {' -> '.join((*above, name))}")
        if name not in ordered:
            for needed in _IMPORT.findall(parts[name]):
                visit(needed, (*above, name))
            ordered.append(name)

    visit(entry, ())
    return ordered


def assemble(parts: Mapping[str, str], entry: str) -> str:
    """The one module. What ``entry`` exports is what it exports; lines that are comments only stay at home."""
    *inner, last = in_order(parts, entry)
    texts = [_EXPORT.sub("", parts[name]) for name in inner]
    return "".join(_COMMENT_LINES.sub("", _IMPORT.sub("", text)) for text in [*texts, parts[last]])
