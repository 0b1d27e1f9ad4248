"""Moments coming in at fan-out 1 and 3.6, from 1 and 8 callers, into one organisation and into sixteen.

That each moment is in as many inboxes as it should be is looked at after all of it. One caller at fan-out 3.6 is
``ingest``'s.
"""

from bench.batches import Into, in_turn, send_batches
from bench.figures import Figure
from bench.load import in_own_process
from bench.peopled import demand_spread, peopled, twins
from bench.world import World, serving

SHAPES = {"ingest_to_1_by_1": (1.0, 1), "ingest_to_1_by_8": (1.0, 8), "ingest_to_3_6_by_8": (3.6, 8)}
CALLERS, BATCH, SMALL, MANY = (1, 8), 500, 100, 16


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run, all shapes in each."""
    one = {fan_out: twins(world.url, f"shape-{round(fan_out)}", fan_out) for fan_out in (1.0, 3.6)}
    many = peopled(world.url, "shape-of", 3.6, MANY)
    figures: dict[str, Figure] = {}

    def measured(name: str, about: str, ours: float, reference: float) -> None:
        figures.setdefault(name, Figure(name, "", about)).add(ours, reference)

    with serving(world) as port:
        for turn in range(runs):
            for name, (fan_out, callers) in SHAPES.items():
                at = f"fan-out {fan_out:g}, {callers} at a time"
                run_of = (one[fan_out], f"{turn}-{callers}", BATCH, callers, seconds)
                pace = in_own_process(in_turn, world.url, port, *run_of)
                measured(name, f"moments/s in batches of {BATCH}, {at} ÷ the same writes by asyncpg", *pace)
            for callers in CALLERS:
                ours = _sent(port, many, f"m{turn}-{callers}", callers, seconds / 2)
                alone = _sent(port, one[3.6][0], f"o{turn}-{callers}", callers, seconds / 2)
                about = f"moments/s in batches of {SMALL}, {callers} at a time, into {MANY} organisations ÷ into one"
                measured(f"ingest_{MANY}_organizations_by_{callers}", about, ours, alone)
    for fan_out, pair in one.items():
        for into in pair:
            demand_spread(world.url, into, fan_out)
    demand_spread(world.url, many, 3.6)
    return list(figures.values())


def _sent(port: int, into: Into, run_of: str, callers: int, seconds: float) -> float:
    per_second: float = in_own_process(send_batches, port, into, run_of, SMALL, callers, seconds)
    return per_second
