"""Polls that come together are asked together, and each by a question that began after it came."""

import asyncio
from collections.abc import Sequence

import pytest

from leadfeed_api.syndication.links import Asked, Link
from leadfeed_api.syndication.polling import AT_ONCE, Polls

pytestmark = pytest.mark.anyio


class Questions:
    """What was asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[str]]] = []
        self.may_answer = asyncio.Semaphore(0)
        self.broken = False

    async def __call__(self, org_id: int, asked: Sequence[Asked]) -> list[Link | None]:
        self.asked.append((org_id, [user for user, _ in asked]))
        await self.may_answer.acquire()
        if self.broken:
            raise ConnectionError
        return [None] * len(asked)


def poll(polls: Polls, ask: Questions, user: str, org_id: int = 1) -> asyncio.Task[Link | None]:
    return asyncio.create_task(polls.find(ask, org_id, (user, b"")))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_while_a_question_is_out_waits_for_the_next() -> None:
    polls, ask = Polls(), Questions()
    tasks = [poll(polls, ask, "ana"), poll(polls, ask, "ben")]
    await settle()
    tasks += [poll(polls, ask, "cem"), poll(polls, ask, "ana")]
    await settle()
    assert ask.asked == [(1, ["ana", "ben"])]
    ask.may_answer.release()
    ask.may_answer.release()
    await asyncio.gather(*tasks)
    assert ask.asked == [(1, ["ana", "ben"]), (1, ["cem", "ana"])]


async def test_organisations_do_not_wait_for_each_other() -> None:
    polls, ask = Polls(), Questions()
    tasks = [poll(polls, ask, "ana", 1), poll(polls, ask, "ben", 2)]
    await settle()
    assert ask.asked == [(1, ["ana"]), (2, ["ben"])]
    ask.may_answer.release()
    ask.may_answer.release()
    await asyncio.gather(*tasks)


async def test_no_question_is_larger_than_it_may_be() -> None:
    polls, ask = Polls(), Questions()
    tasks = [poll(polls, ask, str(number)) for number in range(AT_ONCE + 1)]
    for _ in range(2):
        ask.may_answer.release()
    await asyncio.gather(*tasks)
    assert [len(users) for _, users in ask.asked] == [AT_ONCE, 1]


async def test_a_failure_is_everyones_and_the_next_question_is_a_new_one() -> None:
    polls, ask = Polls(), Questions()
    ask.broken = True
    tasks = [poll(polls, ask, "ana"), poll(polls, ask, "ben")]
    ask.may_answer.release()
    assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [ConnectionError] * 2

    ask.broken = False
    ask.may_answer.release()
    assert await poll(polls, ask, "ana") is None


async def test_whoever_leaves_takes_nobody_along() -> None:
    polls, ask = Polls(), Questions()
    leaver, stayer = poll(polls, ask, "ana"), poll(polls, ask, "ben")
    await settle()
    leaver.cancel()
    ask.may_answer.release()
    assert await stayer is None
