"""Many small requests, one transaction: who waits for whom, and what each is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadfeed_api.errors import Unavailable
from leadfeed_api.feed.log import ADVANCE
from leadfeed_api.ingestion.grouping import Grouping
from leadfeed_api.ingestion.interpret import MAX_ITEMS, Candidate
from leadfeed_api.ingestion.record import Verdict
from statements import Statements
from world import MONDAY, World, ok

pytestmark = pytest.mark.anyio


def candidate(name: str) -> Candidate:
    return Candidate("tests", name, "l1", "web", "Visited", None, None, MONDAY)


@dataclass
class Writer:
    """Stands in for the database: it writes a group when it is let to, and remembers what it was given."""

    groups: list[tuple[int, list[str]]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    failing: frozenset[str] = frozenset()
    ids: dict[str, str] = field(default_factory=dict)

    async def write(self, org_id: int, candidates: Sequence[Candidate]) -> list[Verdict]:
        names = [one.external_id for one in candidates]
        self.groups.append((org_id, names))
        await self.open.wait()
        if self.failing & set(names):
            raise Unavailable
        return [Verdict("accepted", self.ids.setdefault(name, str(uuid4()))) for name in names]


async def settled() -> None:
    """Lets every task run until each waits for something else."""
    for _ in range(20):
        await asyncio.sleep(0)


def ask(grouping: Grouping, *names: str, org_id: int = 1) -> "asyncio.Task[list[Verdict]]":
    return asyncio.create_task(grouping.record(org_id, [candidate(name) for name in names]))


async def test_a_lone_request_is_written_at_once() -> None:
    writer = Writer()
    writer.open.set()
    (verdict,) = await Grouping(writer.write).record(1, [candidate("a")])
    assert (writer.groups, verdict.id) == ([(1, ["a"])], writer.ids["a"])


async def test_what_comes_while_one_group_is_written_goes_together_into_the_next() -> None:
    writer, counted = Writer(), list[float]()
    grouping = Grouping(writer.write, counted.append)
    tasks = [ask(grouping, "a")]
    await settled()
    tasks += [ask(grouping, "b", "c"), ask(grouping, "d"), ask(grouping, "e")]
    await settled()
    writer.open.set()

    told = [[verdict.id for verdict in await task] for task in tasks]

    assert [names for _, names in writer.groups] == [["a"], ["b", "c", "d", "e"]]
    assert counted == [1, 4]
    assert told == [[writer.ids[name] for name in names] for names in ("a", "bc", "d", "e")]


async def test_two_organisations_never_wait_for_each_other() -> None:
    writer = Writer()
    grouping = Grouping(writer.write)
    tasks = [ask(grouping, "a", org_id=1), ask(grouping, "b", org_id=2)]
    await settled()
    assert sorted(writer.groups) == [(1, ["a"]), (2, ["b"])], "the second had to wait"
    writer.open.set()
    await asyncio.gather(*tasks)


async def test_a_failing_group_tells_each_of_its_callers_and_nobody_else() -> None:
    writer = Writer(failing=frozenset({"b"}))
    grouping = Grouping(writer.write)
    first = ask(grouping, "a")
    await settled()
    together = [ask(grouping, "b"), ask(grouping, "c")]
    await settled()
    writer.open.set()

    assert (await first)[0].status == "accepted"
    outcomes = await asyncio.gather(*together, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert (await grouping.record(1, [candidate("c")]))[0].status == "accepted", "the organisation stayed blocked"


@pytest.mark.parametrize("moment", ["while it waits", "while it is written"])
async def test_a_caller_who_hangs_up_harms_nobody(moment: str) -> None:
    writer = Writer()
    grouping = Grouping(writer.write)
    first = ask(grouping, "a")
    await settled()
    second, third = ask(grouping, "b"), ask(grouping, "c")
    await settled()
    gone, left = (second, [first, third]) if moment == "while it waits" else (first, [second, third])
    gone.cancel()
    await settled()
    writer.open.set()

    told = [await task for task in left]

    assert gone.cancelled()
    assert [verdicts[0].id for verdicts in told] == [writer.ids[name] for name in ("ac" if gone is second else "bc")]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 5, 300, 499, 500, 501, 999, MAX_ITEMS]), min_size=1, max_size=12))
async def test_groups_are_whole_requests_in_order_up_to_the_largest_batch(sizes: list[int]) -> None:
    writer = Writer()
    grouping = Grouping(writer.write)
    tasks = [ask(grouping, *(f"{request}-{number}" for number in range(size))) for request, size in enumerate(sizes)]
    await settled()
    writer.open.set()
    told = await asyncio.gather(*tasks)

    assert [len(verdicts) for verdicts in told] == sizes
    written = [names for _, names in writer.groups]
    assert [name for names in written for name in names] == [
        f"{request}-{number}" for request, size in enumerate(sizes) for number in range(size)
    ]
    assert all(len(names) <= MAX_ITEMS for names in written)
    ends = [names[-1] for names in written]
    assert set(ends) <= {f"{request}-{size - 1}" for request, size in enumerate(sizes)}, "a request was torn apart"
    for group, following in pairwise(written):
        first_of_next = sizes[int(following[0].partition("-")[0])]
        assert len(group) + first_of_next > MAX_ITEMS, "a request had to wait though there was room"


async def test_sixty_four_callers_of_one_moment_each_share_a_few_commits(world: World, statements: Statements) -> None:
    await world.people("ana", leads={"l1": "ana"})
    statements.verify()
    statements.executed.clear()

    async def report() -> str:
        answer = await world.client.post("/v1/moments", headers=world.machine, json={"moments": [world.moment("l1")]})
        (result,) = ok(answer)["results"]
        assert result["status"] == "accepted"
        moment_id: str = result["id"]
        return moment_id

    ids = await asyncio.gather(*(report() for _ in range(64)))

    assert {item["id"] for item in await world.feed("ana")} == set(ids)
    assert len(set(ids)) == 64
    commits = statements.executed.count(ADVANCE)
    assert 1 <= commits <= 16, f"{commits} transactions for 64 callers"


async def test_each_caller_of_a_group_gets_the_verdicts_on_its_own_moments(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    shared = world.moment("l1")

    async def report(number: int) -> list[tuple[str, str | None]]:
        body = {"moments": [world.moment("l1"), world.moment(f"nobody-{number}"), shared]}
        answer = await world.client.post("/v1/moments", headers=world.machine, json=body)
        return [(one["status"], one.get("id")) for one in ok(answer)["results"]]

    told = await asyncio.gather(*(report(number) for number in range(20)))

    assert [[status for status, _ in one[:2]] for one in told] == [["accepted", "rejected"]] * 20
    assert sorted(one[2][0] for one in told) == ["accepted"] + ["duplicate"] * 19
    assert len({one[2][1] for one in told}) == 1
    assert len({one[0][1] for one in told}) == 20
