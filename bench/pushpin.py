"""Pushpin as a peer: a proxy that holds the streams its origin tells it to hold, and copies to them what is published.

Debian's package ``pushpin``. Its own service stays as it is: this is a second one, with a configuration and sockets
in a folder of its own. Four processes and the one that watches over them (condure holds the connections, zurl asks the
origin, the proxy and the handler decide and publish) are the server: their processor time and memory are summed. The
origin, ``bench/origin.py``, is asked once for each stream and not counted. When streams are opened as fast as the
others', it answers a few with 502 and ends a few of 1,000 some ms after it opened them (1.36.0 with condure 1.9.1;
nothing in its log): those are opened again.
"""

import json
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench.processes import children, free_port, running
from bench.rivals import Held, Rival, Said, a_stranger, as_event, saying

INTERNALS = Path("/usr/lib/pushpin/internal.conf")
PROBE = b"Is anybody there"


def pushpin() -> Rival:
    """All of its processes."""
    there = shutil.which("pushpin") is not None and INTERNALS.is_file()
    return Rival("pushpin", _run, "" if there else "Debian: pushpin")


@contextmanager
def _run() -> Iterator[Held]:
    origin, port, voice = free_port(), free_port(), free_port()
    with (
        tempfile.TemporaryDirectory(prefix="leadfeed-pushpin-") as folder,
        running([sys.executable, "-m", "bench.origin", str(origin)], origin),
        running(["pushpin", "--config", str(_configure(Path(folder), origin, port, voice))], port) as parent,
    ):
        held = Held([parent, *children(parent)], port, voice, a_stranger, _published, opened_by=b": hello", drops=True)
        _settle(held)
        yield held


def _settle(held: Held) -> None:
    """Until many streams live for a second and hear what is published then.

    Its processes find each other some time after each of them answers, and until then they refuse or drop streams.
    """
    deadline = time.monotonic() + 30
    while not _hear(held):
        if time.monotonic() > deadline:
            raise SystemExit("pushpin did not start")


def _hear(held: Held) -> bool:
    with ExitStack() as open_ones:
        streams = [open_ones.enter_context(socket.create_connection(("127.0.0.1", held.port), 5)) for _ in range(64)]
        for stream in streams:
            stream.settimeout(5)
            stream.sendall(held.listen("first"))
        time.sleep(1)
        with socket.create_connection(("127.0.0.1", held.voice), 5) as voice:
            voice.sendall(held.say([("first", PROBE)])[0])
            voice.recv(4_096)
        return all(_heard(stream) for stream in streams)


def _heard(stream: socket.socket) -> bool:
    heard = b""
    with suppress(TimeoutError):
        while PROBE not in heard:
            if not (more := stream.recv(4_096)) or b" 50" in more[:12]:
                return False
            heard += more
    return PROBE in heard


def _published(said: Sequence[Said]) -> list[bytes]:
    """All in one request."""
    items = [
        {"channel": channel, "formats": {"http-stream": {"content": as_event(body).decode()}}} for channel, body in said
    ]
    return [saying("/publish/", json.dumps({"items": items}).encode(), "application/json")]


def _configure(folder: Path, origin: int, port: int, voice: int) -> Path:
    (folder / "routes").write_text(f"* 127.0.0.1:{origin}\n")
    (folder / "log").mkdir()
    configuration = folder / "pushpin.conf"
    configuration.write_text(f"""
[global]
include={INTERNALS}
rundir={folder}/run
ipc_prefix=bench-
port_offset=0
stats_connection_ttl=120
[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:{port}
logdir={folder}/log
log_level=1
client_buffer_size=4096
client_maxconn=16000
condure_bin=condure
zurl_bin=zurl
[proxy]
routesfile={folder}/routes
updates_check=off
zurl_out_specs=ipc://{{rundir}}/{{ipc_prefix}}zurl-in
zurl_out_stream_specs=ipc://{{rundir}}/{{ipc_prefix}}zurl-in-stream
zurl_in_specs=ipc://{{rundir}}/{{ipc_prefix}}zurl-out
[handler]
push_in_spec=ipc://{folder}/push
push_in_sub_specs=ipc://{folder}/push-sub
push_in_sub_connect=false
push_in_http_addr=127.0.0.1
push_in_http_port={voice}
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
command_spec=ipc://{folder}/command
message_rate=0
message_hwm=10000000
connection_subscription_max=20
""")
    return configuration
