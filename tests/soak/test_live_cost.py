"""What a stream costs: memory a connection and processor time a delivery, at 10,000 connections on one process.

Measured as ``make bench BENCH=stream`` does, side by side with nginx's nchan where that is installed.
"""

from collections.abc import Callable

import pytest
from bench import stream
from bench.world import filled

pytest_plugins = ["figures"]
pytestmark = pytest.mark.soak

TURNS, KIB_A_CONNECTION = 3, 16


def test_ten_thousand_streams_cost_no_more_than_they_may(note: Callable[[str], None]) -> None:
    with filled(3_000) as world:
        figures = {figure.name: figure.as_dict() for figure in stream.run(world, TURNS, 1)}

    for name, figure in figures.items():
        note(f"{name}: {figure['median']} ({figure['min']} to {figure['max']}) {figure['meaning']}")
    if "stream_vs_nchan" in figures:
        assert float(str(figures["stream_vs_nchan"]["median"])) >= 1
    else:
        note("nchan is not installed here (Debian: nginx, libnginx-mod-nchan): not compared")
    assert float(str(figures["stream_kib_per_connection"]["median"])) <= KIB_A_CONNECTION
