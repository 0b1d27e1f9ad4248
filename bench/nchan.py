"""nginx's nchan as a peer: a process that does nothing but hold event streams and copy messages to them.

Debian's packages ``nginx`` and ``libnginx-mod-nchan``; ``NCHAN_ROOT`` may name a folder they were unpacked into.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(os.environ.get("NCHAN_ROOT", "/"))
NGINX, MODULE = ROOT / "usr/sbin/nginx", ROOT / "usr/lib/nginx/modules/ngx_nchan_module.so"


def installed() -> bool:
    """Whether it can be compared with here."""
    return NGINX.is_file() and MODULE.is_file()


def version() -> str:
    """nginx's; nchan does not tell its own."""
    return subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]


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
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /listen {{ nchan_subscriber eventsource; nchan_channel_id all; nchan_eventsource_ping_interval 15; }}
    location = /say {{ nchan_publisher http; nchan_channel_id all; nchan_message_timeout 60s; }}
  }}
}}
""")
    return configuration


@contextmanager
def nchan(port: int) -> Iterator[int]:
    """One worker on that port: ``/listen`` and ``/say``; yields its process id."""
    with tempfile.TemporaryDirectory(prefix="leadfeed-nchan-") as folder:
        libraries = ROOT / "usr/lib/x86_64-linux-gnu"
        command = [str(NGINX), "-p", folder, "-c", str(_configure(Path(folder), port))]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        parent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            yield _worker(parent.pid)
        finally:
            parent.terminate()
            parent.wait()


def _worker(parent: int) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.02)
    raise SystemExit("nginx did not start")
