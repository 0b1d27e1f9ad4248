"""``/panel``: the page that shows the panel, and the module any other page loads.

Owns how they are served: to every origin, compressed, revalidated by ETag, under a policy that allows no inline script
or style. Knows nothing of feeds: in the browser the panel is a client of the public API like any other.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from leadfeed_api.errors import NotFound
from leadfeed_api.organizations.auth import Configured
from leadfeed_api.panel.assembly import assemble, assemble_on, in_order

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"
MODULE, ACTIONS = "lead-feed.js", "lead-feed.actions.js"
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
# Any page may load the module; what it may then ask the API is decided there, by CORS and by the token.
SHARED = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
CACHING = {"Cache-Control": "public, max-age=300, stale-while-revalidate=86400", "Vary": "Accept-Encoding"}
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)  # where q is 0 it is not acceptable


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served: plain, compressed, and the tag that tells whether a browser has it already."""

    media_type: str
    plain: bytes
    compressed: bytes
    tag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "Asset":
        """The asset of that name, compressed once."""
        tag = hashlib.sha256(body).hexdigest()[:24]
        return cls(MEDIA_TYPES[Path(name).suffix], body, gzip.compress(body, 9, mtime=0), tag)


@cache
def assets() -> dict[str, Asset]:
    """Everything under ``/panel/``, by name; read once a process."""
    parts = {path.name: path.read_text("utf-8") for path in sorted((STATIC / "lead-feed").glob("*.js"))}
    actions = Asset.of(ACTIONS, assemble_on(parts, "actions.js", in_order(parts, "element.js")).encode())
    # By its content: a browser keeps files for a while, and must not take another version's for the module's own.
    module = assemble(parts, "element.js").replace(ACTIONS, f"{ACTIONS}?{actions.tag[:8]}")
    files = {path.name: Asset.of(path.name, path.read_bytes()) for path in sorted(STATIC.iterdir()) if path.is_file()}
    return {**files, ACTIONS: actions, MODULE: Asset.of(MODULE, module.encode())}


@router.get("/panel")
async def panel_page(request: Request, configured: Configured) -> Response:
    """A page with a CRM's record and the panel beside it. Credentials come in its fragment, which no server sees."""
    ancestors = " ".join(configured.frame_ancestors) or "'self'"
    response = _served(request, assets()["panel.html"])
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}; require-trusted-types-for 'script'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@router.get("/panel/{name}")
async def panel_file(request: Request, name: str) -> Response:
    """The module, a language, or what the page above is made of."""
    asset = assets().get(name)
    if asset is None or name.endswith(".html"):
        raise NotFound
    response = _served(request, asset)
    response.headers.update(SHARED)
    return response


def _served(request: Request, asset: Asset) -> Response:
    """The asset as this browser takes it, or 304."""
    small = bool(_GZIP.search(request.headers.get("accept-encoding", "")))
    tag = f'"{asset.tag}-gzip"' if small else f'"{asset.tag}"'
    headers = {**CACHING, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if small:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.compressed if small else asset.plain, headers=headers, media_type=asset.media_type)
