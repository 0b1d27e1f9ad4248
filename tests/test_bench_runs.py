"""The benches still run, and what they ask for is still answered rightly. Nothing here is about how long it takes."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.anyio


async def test_every_bench_that_needs_no_peer_runs_and_finds_every_answer_right() -> None:
    benches = ["page", "feeds", "e2e", "ingest", "ingest_shapes", "mixed"]
    command = [sys.executable, "-m", "bench", *benches, "--smoke"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=Path(__file__).parent.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "200"},
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0, said.decode()
    for figure in ("page_vs_asyncpg", "rss304_vs_noop", "ingest_vs_sql", "mixed_page_vs_alone", "e2e_vs_notify"):
        assert figure in said.decode()
