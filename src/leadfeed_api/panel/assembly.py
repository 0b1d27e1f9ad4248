"""ES modules out of the panel's parts, so that a host page makes one request for the panel.

The parts are ES modules themselves; each names what it needs by `import … from "./part.js"`. Putting them together is
putting them in order: imports go, `export` goes, everything shares one scope. No tool, no build step. Pure.
"""

import re
from collections.abc import Collection, Iterable, Mapping

_IMPORT = re.compile(r'^import ([^;]*) from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async |class |function |const |let ))", re.MULTILINE)
_EXPORTS = re.compile(r"^export (?=\{)", re.MULTILINE)
# What only readers of the source need: spaces in style sheets, comments (on lines of their own, or after code and with
# no quotation mark behind them, so that no text is taken for one), indentation, and line ends (but behind what may be a
# comment still).
_STYLE = re.compile(r"^(?:export )?const \w*CSS = `[^`]*`;", re.MULTILINE)
_SPACE = re.compile(r"(?<=[;:{,]) | (?=[{}])")
_REMARK = re.compile(r'(?<=[;,{]) // [^"`\n]*$', re.MULTILINE)
_ASIDE = re.compile(r"^[ \t]*(?:(?://.*|/\*\*(?:.|\n)*?\*/[ \t]*)?\n|(?=\S))", re.MULTILINE)
_LINE_END = re.compile(r"^((?!.*//).*[;{},])\n", re.MULTILINE)


def in_order(parts: Mapping[str, str], entry: str, without: Collection[str] = ()) -> list[str]:
    """The names of ``entry`` and all it imports, each after what it imports, but for those ``without``.

    Raises ``ValueError`` for a circle.
    """
    ordered: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"the panel's parts import each other in a circle: {' -> '.join((*above, name))}")
        if name not in ordered and name not in without:
            # Intentional: the longest first. Likes then stand together, which compresses better by 250 bytes.
            imported = [needed for _, needed in _IMPORT.findall(parts[name])]
            for needed in sorted(imported, key=lambda one: len(parts[one]), reverse=True):
                visit(needed, (*above, name))
            ordered.append(name)

    visit(entry, ())
    return ordered


def assemble(parts: Mapping[str, str], entry: str) -> str:
    """The module of ``entry``, out of texts by name: it exports what ``entry`` exports."""
    *inner, last = in_order(parts, entry)
    return _joined([*_inner(parts, inner), parts[last]])


def assemble_on(parts: Mapping[str, str], entry: str, on: Collection[str]) -> str:
    """The module of ``entry`` without the parts ``on``, which another module holds already.

    It exports a function, which takes what is imported of those parts and gives what ``entry`` exports in its list. It
    imports nothing: a browser that has the other module by another address (``?v=2``, a redirect) would load it again.
    """
    *inner, last = in_order(parts, entry, without=on)
    texts = [*_inner(parts, inner), _EXPORTS.sub("return ", parts[last])]
    lent = sorted(
        {name for text in texts for names, part in _IMPORT.findall(text) if part in on for name in _names(names)}
    )
    return f"export default ({{ {', '.join(lent)} }}) => {{{_joined(texts)}}};\n"


def _inner(parts: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Texts that share a scope with those who need them."""
    return [_EXPORT.sub("", parts[name]) for name in names]


def _joined(texts: Iterable[str]) -> str:
    return "".join(_plain(text) for text in texts)


def _plain(text: str) -> str:
    return _LINE_END.sub(r"\1", _ASIDE.sub("", _REMARK.sub("", _IMPORT.sub("", _STYLE.sub(_dense, text)))))


def _dense(style: re.Match[str]) -> str:
    return _SPACE.sub("", style[0])


def _names(imported: str) -> list[str]:
    return [name.strip() for name in imported.strip("{} ").split(",")]
