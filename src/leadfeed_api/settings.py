"""What an operator can set: environment variables with the prefix ``LEADFEED_``, read once, frozen.

Owns the names, defaults and the refusal of unsafe combinations. Nothing here is read at import time.
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from ssl import get_default_verify_paths
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DEVELOPMENT_SECRET = "for-development-only-never-on-a-public-host"  # noqa: S105  Intentional: refused off loopback
# A name, an address or a socket's folder; none where only the database is named. A port has at most 65,535.
_PORT = r"(?::(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}))?"
_HOST = re.compile(rf"(?:[^:\[\]#\s]*|\[[0-9A-Fa-f:.]+\]){_PORT}")
_IN_A_PASSWORD = str.maketrans({"@": "%40", "#": "%23", "[": "%5B", "]": "%5D"})
_URL_SCHEMES = re.compile(r"^(?:jdbc:)?(?:postgres|postgresql)(?:\+\w+)?://", re.IGNORECASE)
_ORIGIN = re.compile(
    r"(?P<site>(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\]))(?::(?P<port>[1-9][0-9]{0,4}))?/?"
)
_ANCESTOR = re.compile(
    r"\*|'self'|'none'|[a-z][a-z0-9+.-]*:"
    r"|(?:[a-z][a-z0-9+.-]*://)?(?:(?:\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?:[0-9]{1,5}|\*))?/?"
)
_OWN_PORTS = {"http": "80", "https": "443"}

# Of libpq, JDBC, Prisma, Npgsql and SQLAlchemy.
_FOREIGN_PARAMETERS = {
    "async_fallback", "binary_parameters", "channel_binding", "connect_timeout", "connection_limit",
    "currentschema", "gssencmode", "logintimeout", "pgbouncer", "pool_timeout", "pooling",
    "prepared_statement_cache_size", "preparethreshold", "reconnect", "schema", "sockettimeout",
    "sslaccept", "statement_cache_size", "stringtype", "tcpkeepalive",
}  # fmt: skip


def postgres_url(pasted: str) -> str:
    """The URL as asyncpg takes it, from any of the spellings people paste.

    Takes ``postgres://``, ``postgresql+asyncpg://``, ``postgresql+psycopg2://``, ``jdbc:postgresql://``, with quotes,
    blanks or a leading ``DATABASE_URL=``, and an unescaped ``@``, ``#``, ``[`` or ``]`` in the password. Raises
    ``ValueError`` with what is expected otherwise, never with a part of the password.
    """
    text = re.sub(r"^(?:export\s+)?[A-Z_]+\s*=", "", pasted.strip()).strip().strip("'\"").strip()
    if not _URL_SCHEMES.match(text):
        raise ValueError("expected a URL like postgresql://user:password@host:5432/database")
    address, _, query = _URL_SCHEMES.sub("", text).partition("?")
    authority, slash, path = address.partition("/")
    user, at, host = authority.rpartition("@")
    if not all(_HOST.fullmatch(one) for one in host.split(",")) or "#" in path:
        # Intentional: without a word of what it is, which may be a part of the password.
        raise ValueError(
            "expected a URL like postgresql://user:password@host:5432/database; in a password / is written %2F, "
            "and ? is %3F"
        )
    address = user.translate(_IN_A_PASSWORD) + at + host + slash + path
    parameters = "&".join(_own_parameters(query))
    return f"postgresql://{address}?{parameters}" if parameters else f"postgresql://{address}"


def _own_parameters(query: str) -> Iterator[str]:
    """The parameters that asyncpg knows or passes on; the server would refuse other drivers' as unknown settings."""
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    if "ssl" in pairs:
        ssl = pairs.pop("ssl")
        pairs.setdefault("sslmode", {"true": "require", "false": "disable"}.get(ssl.lower(), ssl))
    if pairs.get("sslrootcert") == "system":  # libpq's word for those that the system trusts; asyncpg wants the file
        trusted = get_default_verify_paths()
        pairs["sslrootcert"] = quote(trusted.cafile or trusted.openssl_cafile)
    for name, value in pairs.items():
        if name.lower() not in _FOREIGN_PARAMETERS and not name.startswith("keepalives"):
            yield f"{name}={value}"


def nats_urls(pasted: str) -> str:
    """The servers' URLs with commas between. Raises ``ValueError`` with what is expected where one is no such URL."""
    urls = [url if "://" in url else f"nats://{url}" for url in re.split(r"[\s,]+", pasted.strip(" ,"))]
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"nats", "tls"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is none
            usable = False
        if not usable:
            raise ValueError("expected URLs like nats://nats.example.com:4222, with commas between several")
    return ",".join(urls)


def web_origin(written: str) -> str:
    """The origin as browsers send it: in small letters, without a slash, with no port where it is the scheme's own.

    ``*`` (any) and ``null`` (a page without an origin) stay as they are. Raises ``ValueError`` with what is expected
    where no browser would send this.
    """
    if written in {"*", "null"}:
        return written
    found = _ORIGIN.fullmatch(written.lower())
    if not found or int(found["port"] or 1) > 65_535:
        raise ValueError("expected origins like https://crm.example.com (scheme, host, no path), or * for any")
    implied = found["port"] in {None, _OWN_PORTS.get(found["scheme"])}
    return found["site"] if implied else f"{found['site']}:{found['port']}"


def frame_ancestor(source: str) -> str:
    """One source of CSP's ``frame-ancestors``, for example ``https://*.example.com``; so it cannot end the directive.

    Raises ``ValueError`` with what is expected otherwise.
    """
    if not _ANCESTOR.fullmatch(source.lower()):
        raise ValueError("expected origins like https://crm.example.com, or https://*.example.com, 'self' or * for any")
    return source


def web_root(written: str) -> str:
    """A URL that links can begin with, its scheme in small letters and without a slash at its end.

    Raises ``ValueError`` with what is expected for one that no header of a mail takes, or that could not go on.
    """
    if not written.isascii() or not written.isprintable() or re.search(r'[\s<>"\\?#@]', written):
        raise ValueError(
            "expected a URL like https://leads.example.com/feed that links can begin with: without a query, a "
            "fragment, a user or blanks, a host's other letters as xn--…, a path's as %…"
        )
    scheme, _, rest = written.rstrip("/").partition("://")
    return f"{scheme.lower()}://{rest}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself, by name alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_unspecified(host: str) -> bool:
    """Whether it is an address to listen on that stands for all of a machine's, and that nobody can go to."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _split(value: object) -> object:
    return [part for part in re.split(r"[\s,]+", value) if part] if isinstance(value, str) else value


class Settings(BaseSettings):
    """One process's settings. ``Settings()`` reads the environment; tests pass values."""

    model_config = SettingsConfigDict(env_prefix="LEADFEED_", frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: str | None = Field(
        None, description="URL of the PostgreSQL database. Unset: an embedded server under `DATA_DIR`."
    )
    listen_url: str | None = Field(
        None, description="URL of a direct connection for LISTEN, if `DATABASE_URL` goes through a transaction pooler."
    )
    pg_bin: Path | None = Field(
        None,
        description="Folder of PostgreSQL programs to use for the embedded server.",
    )
    data_dir: Path = Field(Path("data"), description="Folder of the embedded PostgreSQL's data, and of the mailbox.")
    pool_size: int = Field(
        10,
        ge=1,
        le=500,
        description="Maximum database connections in one process's pool; LISTEN takes one more, mail six.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str | None = Field(
        None, description="URL at which others reach this service, used in every link. Default: `http://HOST:PORT`."
    )
    cors_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins whose pages may call the API and so embed the panel, separated by commas or spaces.",
    )
    frame_ancestors: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins that may frame `/panel`, separated by commas or spaces. Default: only its own.",
    )
    jwt_secret: str = Field(
        DEVELOPMENT_SECRET,
        description="Signs user tokens (HS256), stream tokens, links and cursors. Off loopback at least 32 characters.",
    )
    jwks_url: str | None = Field(
        None,
        description="URL of an identity provider's keys (JWKS). When set, user tokens must be signed by that provider.",
    )
    jwt_issuer: str = Field("leadfeed", description="The `iss` that user tokens must carry.")
    jwt_audience: str = Field("leadfeed", description="The `aud` that user tokens must carry.")
    smtp_url: str | None = Field(
        None, description="URL of the mail server for subscriptions. Unset: mails become files in `DATA_DIR/mailbox`."
    )
    mail_from: str = Field("Lead feed <leadfeed@localhost>", description="Sender of subscription mails.")
    with_delivery: bool = Field(
        False, description="Whether serving processes also send subscription mails, like `serve --with-delivery`."
    )
    nats_url: str | None = Field(
        None,
        description="URLs of NATS servers for wake-ups, separated by commas. Unset: PostgreSQL's LISTEN and NOTIFY.",
    )
    stream_token_ttl: int = Field(3600, ge=30, le=86_400, description="Seconds a stream token is valid.")
    streams_per_user: int = Field(20, ge=1, description="Maximum open streams of one user on one process.")
    streams_per_process: int = Field(20_000, ge=1, description="Maximum open streams of one process.")
    stream_lifetime: int = Field(3600, ge=1, description="Maximum life of a stream in seconds, ±10 % at random.")
    stream_send_timeout: float = Field(
        10, gt=0, description="Seconds a client may go without reading before its stream is cut."
    )
    log_days: float = Field(
        7,
        gt=0,
        le=3_650,
        allow_inf_nan=False,
        description="How many days back a stream can resume; older positions are answered with a `reset`.",
    )
    night_shift: bool = Field(
        True, description="Whether this process runs the nightly jobs: re-tiering leads, deleting expired moments."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="Format of log lines: `console` (readable) or `json`."
    )

    _lists = field_validator("cors_origins", "frame_ancestors", mode="before")(_split)

    @field_validator("database_url", "listen_url")
    @classmethod
    def _normalised(cls, value: str | None) -> str | None:
        return None if value is None else postgres_url(value)

    @field_validator("nats_url")
    @classmethod
    def _servers(cls, value: str | None) -> str | None:
        return None if value is None else nats_urls(value)

    @field_validator("frame_ancestors")
    @classmethod
    def _ancestors(cls, value: list[str]) -> list[str]:
        return [frame_ancestor(source) for source in value]

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        return [web_origin(origin) for origin in value]

    @field_validator("public_url", "jwks_url")
    @classmethod
    def _absolute(cls, value: str | None, about: ValidationInfo) -> str | None:
        if value is not None and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
            raise ValueError("expected an absolute URL like https://leads.example.com")
        return web_root(value) if value and about.field_name == "public_url" else value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """A service that others can reach must not be signed by a secret that everybody knows."""
        public = not is_loopback(self.host) or not is_loopback(urlsplit(self.base_url).hostname or "")
        if public and self.jwt_secret == DEVELOPMENT_SECRET:
            reason = f"PUBLIC_URL is {self.public_url}" if is_loopback(self.host) else f"HOST is {self.host}"
            raise ValueError(
                "LEADFEED_JWT_SECRET is the development default, but the service would be reachable from outside "
                f"(LEADFEED_{reason}): anyone could sign tokens. Set it to 32 or more random characters."
            )
        if public and len(self.jwt_secret) < 32:
            raise ValueError("LEADFEED_JWT_SECRET is too short for a public host: set 32 or more random characters.")
        if self.listen_url and not self.database_url:
            raise ValueError("LEADFEED_LISTEN_URL needs LEADFEED_DATABASE_URL: the embedded server has no pooler.")
        return self

    @property
    def base_url(self) -> str:
        """The root of every link we hand out, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def signing_key(self) -> bytes:
        """The key behind cursors, stream positions and feed links."""
        return self.jwt_secret.encode()
