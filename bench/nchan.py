"""nginx's nchan as a peer: a process that does nothing but hold event streams and copy messages to them.

Debian's packages ``nginx`` and ``libnginx-mod-nchan``; ``NCHAN_ROOT`` may name a folder they were unpacked into.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import children, ended, free_port
from bench.rivals import Held, Rival, a_stranger, one_by_one

ROOT = Path(os.environ.get("NCHAN_ROOT", "/"))
NGINX, MODULE = ROOT / "usr/sbin/nginx", ROOT / "usr/lib/nginx/modules/ngx_nchan_module.so"


def nchan() -> Rival:
    """One worker."""
    there = NGINX.is_file() and MODULE.is_file()
    return Rival("nchan", _run, "" if there else "Debian: nginx, libnginx-mod-nchan")


@contextmanager
def _run() -> Iterator[Held]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="leadfeed-nchan-") as folder:
        libraries = ROOT / "usr/lib/x86_64-linux-gnu"
        command = [str(NGINX), "-p", folder, "-c", str(_configure(Path(folder), port))]
        with ended(command, {"LD_LIBRARY_PATH": str(libraries)}) as parent:
            yield Held([_worker(parent.pid)], port, port, a_stranger, one_by_one)


def _configure(folder: Path, port: int) -> Path:
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
load_module {MODULE};
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; nchan_max_reserved_memory 256M;
  keepalive_requests 100000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    nchan_eventsource_ping_interval 15;
    location ~ ^/listen/(.*)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; }}
    location ~ ^/say/(.*)$ {{ nchan_publisher http; nchan_channel_id $1; nchan_message_timeout 60s; }}
  }}
}}
""")
    return configuration


def _worker(parent: int) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := children(parent):
            return found[0]
        time.sleep(0.02)
    raise SystemExit("nginx did not start")
