"""nginx's nchan as a peer: a process that does nothing but hold event streams and copy messages to them.

Debian's packages ``nginx`` and ``libnginx-mod-nchan``; ``NCHAN_ROOT`` may name a folder they were unpacked into.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from neighbours import accepts, free_port, program
from stream_client import until

ROOT = Path(os.environ.get("NCHAN_ROOT", "/"))
NGINX, MODULE = ROOT / "usr/sbin/nginx", ROOT / "usr/lib/nginx/modules/ngx_nchan_module.so"


def installed() -> bool:
    """Whether it can be compared with here."""
    return NGINX.is_file() and MODULE.is_file()


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


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def nchan() -> AsyncIterator[tuple[int, str]]:
    """One worker; yields its process id and its address: ``/listen`` and ``/say``."""
    folder, port = Path(tempfile.mkdtemp(prefix="leadfeed-nchan-")), free_port()
    libraries = ROOT / "usr/lib/x86_64-linux-gnu"
    command = ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(NGINX), "-p", str(folder)]
    try:
        with program([*command, "-c", str(_configure(folder, port))]) as parent:
            await accepts(port)
            await until(lambda: _children(parent.pid))
            yield _children(parent.pid)[0], f"http://127.0.0.1:{port}"
            parent.terminate()
            parent.wait()
    finally:
        shutil.rmtree(folder)
