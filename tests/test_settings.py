"""Settings: the URL spellings people paste, what is refused at the start, and that the reason is said."""

from pathlib import Path
from ssl import get_default_verify_paths
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest
from pydantic import ValidationError

from leadfeed_api.cli.serve import server_options
from leadfeed_api.settings import DEVELOPMENT_SECRET, Settings, postgres_url

SECRET = "0123456789abcdef0123456789abcdef"
TRUSTED = get_default_verify_paths()
PLAIN = "postgresql://user:pass@db.example:5432/leads"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No setting of the machine's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LEADFEED_{name}".upper(), raising=False)
    return monkeypatch


def reason(**values: object) -> str:
    """Why these settings are refused."""
    with pytest.raises(ValidationError) as raised:
        Settings(**values)  # type: ignore[arg-type]
    return str(raised.value)


@pytest.mark.parametrize(
    "pasted",
    [
        PLAIN,
        "postgres://user:pass@db.example:5432/leads",
        "postgresql+asyncpg://user:pass@db.example:5432/leads",
        "postgresql+psycopg2://user:pass@db.example:5432/leads",
        "POSTGRES://user:pass@db.example:5432/leads",
        "jdbc:postgresql://user:pass@db.example:5432/leads",
        f"  {PLAIN}\n",
        f'"{PLAIN}"',
        f"'{PLAIN}'",
        f"DATABASE_URL={PLAIN}",
        f"export DATABASE_URL='{PLAIN}'",
        f"LEADFEED_DATABASE_URL = {PLAIN}",
        f"{PLAIN}?",
        f"{PLAIN}?pgbouncer=true&connection_limit=5&pool_timeout=10&schema=public",
        f"{PLAIN}?connect_timeout=10&keepalives=1&keepalives_idle=30&channel_binding=prefer&gssencmode=disable",
        f"{PLAIN}?prepared_statement_cache_size=0&async_fallback=true&currentSchema=public&stringtype=unspecified",
    ],
)
def test_a_pasted_url_becomes_the_one_the_driver_takes(pasted: str) -> None:
    assert postgres_url(pasted) == PLAIN


@pytest.mark.parametrize(
    ("pasted", "query"),
    [
        ("sslmode=require", {"sslmode": ["require"]}),
        ("ssl=require", {"sslmode": ["require"]}),
        ("ssl=true&sslmode=verify-full", {"sslmode": ["verify-full"]}),
        ("ssl=true", {"sslmode": ["require"]}),
        ("ssl=false&schema=x", {"sslmode": ["disable"]}),
        ("application_name=x&options=-c%20jit%3Doff", {"application_name": ["x"], "options": ["-c jit=off"]}),
        ("target_session_attrs=read-write&connect_timeout=3", {"target_session_attrs": ["read-write"]}),
        ("sslmode=verify-full&sslrootcert=system",
         {"sslmode": ["verify-full"], "sslrootcert": [TRUSTED.cafile or TRUSTED.openssl_cafile]}),
        ("host=/run/postgresql&statement_timeout=5000", {"host": ["/run/postgresql"], "statement_timeout": ["5000"]}),
    ],
)  # fmt: skip
def test_a_url_keeps_what_the_driver_or_the_server_understands(pasted: str, query: dict[str, list[str]]) -> None:
    assert parse_qs(urlsplit(postgres_url(f"{PLAIN}?{pasted}")).query) == query


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("p@ss", "p@ss"), ("p%40ss", "p@ss"), ("a:b@c:d", "a:b@c:d"), ("p#1", "p#1"), ("[p[s]s]", "[p[s]s]")],
)
def test_a_password_may_hold_signs_that_part_addresses_as_people_paste_it(typed: str, meant: str) -> None:
    assert postgres_url(f"postgres://user:{typed}@db.example/leads") == (
        f"postgresql://user:{quote(meant, safe=':')}@db.example/leads"
    )


@pytest.mark.parametrize("rest", [
    "user:sekret/1@db.example/leads", "user:sekret?1@db.example/leads",
    "user:x@db.example:sekret/leads", "user:sekret@db.example:99999/leads", "user:sekret@[::1/leads",
    "user:sekret@a.example:5432,b.example:port/leads", "user:x@db.example/leads#sekret",
])  # fmt: skip
def test_an_address_that_cannot_be_read_is_refused_without_a_part_of_its_password(rest: str) -> None:
    with pytest.raises(ValueError, match="expected a URL like postgresql://") as refused:
        postgres_url(f"postgres://{rest}")
    assert "sekret" not in str(refused.value)


@pytest.mark.parametrize("hosts", ["a.example:5432,b.example:65535", "[::1]:5432", "", "%2Frun%2Fpostgresql", ":5433"])
def test_an_address_may_name_several_servers_a_folder_or_none(hosts: str) -> None:
    assert postgres_url(f"postgres://user:x@{hosts}/leads") == f"postgresql://user:x@{hosts}/leads"


@pytest.mark.parametrize("pasted", ["mysql://db.example/leads", "db.example:5432", "leads", "", "http://db.example"])
def test_what_is_no_postgres_url_is_refused_without_showing_it(pasted: str) -> None:
    with pytest.raises(ValueError, match="expected a URL like postgresql://") as raised:
        postgres_url(pasted)
    assert "db.example" not in str(raised.value)


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["postgres", "postgresql+asyncpg", "jdbc:postgresql"])
async def test_the_driver_and_a_real_server_take_the_outcome(database_url: str, scheme: str) -> None:
    parts = urlsplit(database_url)
    query = "&".join(
        [*filter(None, [parts.query]), "connect_timeout=5&schema=public&application_name=pasted&sslmode=prefer"]
    )
    pasted = f"DATABASE_URL='{scheme}://{parts.netloc}{parts.path}?{query}'"

    connection = await asyncpg.connect(Settings(database_url=pasted).database_url)
    try:
        assert await connection.fetchval("SHOW application_name") == "pasted"
    finally:
        await connection.close()


def test_the_environment_is_read_with_the_prefix_and_empty_means_unset(bare_environment: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LEADFEED_DATABASE_URL": "postgres://db.example/leads",
        "LEADFEED_LISTEN_URL": "",
        "LEADFEED_PORT": "9000",
        "LEADFEED_CORS_ORIGINS": "https://a.example, https://b.example\thttps://c.example",
        "LEADFEED_DATA_DIR": "/var/lib/leadfeed",
        "PORT": "1",
        "LEADFEED_NO_SUCH_THING": "1",
    }.items():
        bare_environment.setenv(name, value)

    settings = Settings()

    assert settings.database_url == "postgresql://db.example/leads"
    assert settings.listen_url is None
    assert settings.port == 9000
    assert settings.cors_origins == ["https://a.example", "https://b.example", "https://c.example"]
    assert settings.data_dir == Path("/var/lib/leadfeed")


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_the_development_secret_is_good_enough_for_this_machine_alone(host: str) -> None:
    assert Settings(host=host).jwt_secret == DEVELOPMENT_SECRET


@pytest.mark.parametrize(
    "reachable",
    [
        {"host": "0.0.0.0"},  # noqa: S104  that is what is refused
        {"host": "::"},
        {"host": ""},
        {"host": "192.168.1.7"},
        {"host": "crm.example"},
        {"public_url": "https://leads.example"},
        {"public_url": "http://10.0.0.1:8000"},
        {"host": "0.0.0.0", "public_url": "http://localhost:8000"},  # noqa: S104
        {"host": "0.0.0.0", "jwks_url": "https://id.example/keys"},  # noqa: S104
    ],
)
def test_a_service_that_others_can_reach_refuses_the_development_secret(reachable: dict[str, str]) -> None:
    assert "LEADFEED_JWT_SECRET is the development default" in reason(**reachable)
    assert "LEADFEED_JWT_SECRET is too short" in reason(**reachable, jwt_secret="short")
    assert Settings(**reachable, jwt_secret=SECRET).jwt_secret == SECRET  # type: ignore[arg-type]


def test_the_refusal_names_what_makes_the_service_reachable() -> None:
    assert "LEADFEED_PUBLIC_URL is https://leads.example)" in reason(public_url="https://leads.example")
    assert "LEADFEED_HOST is crm.example)" in reason(host="crm.example", public_url="https://leads.example")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"listen_url": PLAIN}, "LEADFEED_LISTEN_URL needs LEADFEED_DATABASE_URL"),
        ({"public_url": "leads.example"}, "expected an absolute URL"),
        ({"public_url": "ftp://leads.example"}, "expected an absolute URL"),
        ({"public_url": "https://léads.example"}, "that links can begin with"),
        ({"public_url": "https://leads.example/équipe"}, "that links can begin with"),
        ({"public_url": "https://leads.example/a b"}, "that links can begin with"),
        ({"public_url": "https://leads.example/?x=1"}, "that links can begin with"),
        ({"public_url": "https://leads.example/#top"}, "that links can begin with"),
        ({"log_days": 3_651}, "less than or equal to 3650"),
        ({"log_days": float("inf")}, "finite number"),
        ({"jwks_url": "file:///etc/keys.json"}, "expected an absolute URL"),
        ({"frame_ancestors": "* ; script-src *"}, "expected origins like"),
        ({"frame_ancestors": "https://crm.example/page"}, "expected origins like"),
        ({"frame_ancestors": "https://crm.example;"}, "expected origins like"),
        ({"jwks_url": "id.example/keys"}, "expected an absolute URL"),
        ({"nats_url": "nats://"}, "expected URLs like nats://"),
        ({"nats_url": "nats://127.0.0.1:99999"}, "expected URLs like nats://"),
        ({"nats_url": "http://127.0.0.1:4222"}, "expected URLs like nats://"),
        ({"nats_url": "nats://a:4222,nats://b:port"}, "expected URLs like nats://"),
        ({"cors_origins": "crm.example"}, "expected origins like https://crm.example.com"),
        ({"cors_origins": "https://crm.example/app"}, "expected origins like"),
        ({"cors_origins": "https://crm.example//"}, "expected origins like"),
        ({"cors_origins": "https://crm.example?tab=1"}, "expected origins like"),
        ({"cors_origins": "https://crm.example#leads"}, "expected origins like"),
        ({"cors_origins": "https://crm.example:99999"}, "expected origins like"),
        ({"cors_origins": "https://user@crm.example"}, "expected origins like"),
        ({"cors_origins": "https://*.crm.example"}, "expected origins like"),
        ({"cors_origins": "https://"}, "expected origins like"),
        ({"cors_origins": "https://a.example, '*'"}, "expected origins like"),
        ({"port": 65_536}, "less than or equal to 65535"),
        ({"port": -1}, "greater than or equal to 0"),
        ({"pool_size": 0}, "greater than or equal to 1"),
        ({"stream_token_ttl": 5}, "greater than or equal to 30"),
        ({"log_format": "xml"}, "'console' or 'json'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_reason(values: dict[str, object], said: str) -> None:
    assert said in reason(**values)


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("nats://a:4222", "nats://a:4222"),
        ("nats://user:pass@a, tls://b:4222", "nats://user:pass@a,tls://b:4222"),
        ("a:4222,b", "nats://a:4222,nats://b"),
    ],
)
def test_several_nats_servers_may_be_named(pasted: str, meant: str) -> None:
    assert Settings(nats_url=pasted).nats_url == meant


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://crm.example", "https://crm.example"),
        ("https://crm.example/", "https://crm.example"),
        ("HTTPS://CRM.Example", "https://crm.example"),
        ("https://crm.example:443", "https://crm.example"),
        ("http://crm.example:80/", "http://crm.example"),
        ("http://crm.example:443", "http://crm.example:443"),
        ("http://localhost:5173/", "http://localhost:5173"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_an_origin_becomes_the_one_that_browsers_send(written: str, sent: str) -> None:
    assert Settings(cors_origins=written).cors_origins == [sent]


@pytest.mark.parametrize(
    ("values", "base_url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "::1", "port": 9}, "http://[::1]:9"),
        ({"public_url": "https://leads.example/", "jwt_secret": SECRET}, "https://leads.example"),
        ({"public_url": "HTTPS://leads.example", "jwt_secret": SECRET}, "https://leads.example"),
        ({"public_url": "https://crm.example/leads/", "jwt_secret": SECRET}, "https://crm.example/leads"),
    ],
)
def test_links_begin_with_the_public_address(values: dict[str, object], base_url: str) -> None:
    assert Settings(**values).base_url == base_url  # type: ignore[arg-type]


def test_a_proxy_that_keeps_idle_connections_for_a_minute_is_the_one_that_ends_them() -> None:
    assert server_options(Settings())["timeout_keep_alive"] > 60
