"""The peers' servers: one process each, as in production, until the block ends."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.processes import free_port, running
from bench.world import World

HERE = Path(__file__).parent
BIN = HERE / ".venv" / "bin"
THREADS = 8


@cache
def filled(world: World) -> Mapping[str, Mapping[str, object]]:
    """Gives the peers the rows that ours have, once; each user's ``id`` and ``token`` there, by name."""
    command = [str(BIN / "python"), "-m", "crm.fill"]
    done = subprocess.run(
        command, cwd=HERE, env={**os.environ, **_environment(world)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the peers could not be filled: {done.stderr}")
    made: Mapping[str, Mapping[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return made


@contextmanager
def django(world: World) -> Iterator[int]:
    """Gunicorn with one worker; gives its port."""
    port = free_port()
    command = [str(BIN / "gunicorn"), "crm.wsgi", "--workers", "1", "--worker-class", "gthread"]
    command += ["--threads", str(THREADS), "--keep-alive", "75", "--bind", f"127.0.0.1:{port}", "--log-level", "error"]
    with running(command, port, _environment(world), HERE):
        yield port


@contextmanager
def postgraphile(world: World) -> Iterator[int]:
    """PostGraphile in a Node.js process; gives its port."""
    if not (HERE / "node_modules" / "postgraphile").is_dir() or shutil.which("node") is None:
        raise SystemExit("PostGraphile is missing: install Node.js with npm, then `make bench` again")
    port, database = free_port(), urlsplit(world.url)
    where = [parse_qs(database.query)["host"][0], database.username or "", database.path.lstrip("/")]
    with running(["node", "graph.js", *where, str(port)], port, {"NODE_ENV": "production"}, HERE):
        yield port


def _environment(world: World) -> dict[str, str]:
    return {"PEERS_DATABASE": world.url, "PEERS_ORGANIZATION": str(world.org_id), "PYTHONPATH": str(HERE)}
