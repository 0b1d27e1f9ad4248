"""Who asks the same as others is answered with them, and by a question that began after they came."""

import asyncio
from collections.abc import Sequence

import pytest

from leadfeed_api.db.together import Together

pytestmark = pytest.mark.anyio


class Questions:
    """What was asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[str]]] = []
        self.may_answer = asyncio.Semaphore(0)
        self.broken = False

    async def __call__(self, org_id: int, asked: Sequence[str]) -> list[str]:
        self.asked.append((org_id, [*asked]))
        await self.may_answer.acquire()
        if self.broken:
            raise ConnectionError
        return [f"for {user}" for user in asked]

    def answer(self, times: int = 1) -> None:
        for _ in range(times):
            self.may_answer.release()


def find(together: Together[int, str, str], user: str, org_id: int = 1) -> asyncio.Task[str]:
    return asyncio.create_task(together.find(org_id, user))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_while_a_question_is_out_waits_for_the_next() -> None:
    ask = Questions()
    together = Together(ask, out=1, at_once=10)
    tasks = [find(together, user) for user in ("ana", "ben", "cem")]
    await settle()
    assert ask.asked == [(1, ["ana"])]
    ask.answer()
    await settle()
    tasks.append(find(together, "ana"))
    await settle()
    assert ask.asked == [(1, ["ana"]), (1, ["ben", "cem"])]
    ask.answer(2)
    assert await asyncio.gather(*tasks) == ["for ana", "for ben", "for cem", "for ana"]
    assert ask.asked[2:] == [(1, ["ana"])]


async def test_nobody_waits_while_more_questions_may_be_out() -> None:
    ask = Questions()
    together = Together(ask, out=2, at_once=10)
    tasks = [find(together, user) for user in ("ana", "ben", "cem", "dua")]
    await settle()
    assert ask.asked == [(1, ["ana"]), (1, ["ben"])]
    ask.answer(3)
    await asyncio.gather(*tasks)
    assert ask.asked[2:] == [(1, ["cem", "dua"])]


async def test_one_organisation_does_not_wait_for_another() -> None:
    ask = Questions()
    together = Together(ask, out=1, at_once=10)
    tasks = [find(together, "ana", 1), find(together, "ben", 2)]
    await settle()
    assert ask.asked == [(1, ["ana"]), (2, ["ben"])]
    ask.answer(2)
    await asyncio.gather(*tasks)


async def test_no_question_is_larger_than_it_may_be() -> None:
    ask = Questions()
    together = Together(ask, out=1, at_once=3)
    tasks = [find(together, str(number)) for number in range(1 + 3 + 1)]
    await settle()
    ask.answer(3)
    await asyncio.gather(*tasks)
    assert [len(users) for _, users in ask.asked] == [1, 3, 1]


async def test_a_failure_is_everyones_who_shared_it_and_the_next_question_is_a_new_one() -> None:
    ask = Questions()
    together = Together(ask, out=1, at_once=10)
    ask.broken = True
    tasks = [find(together, user) for user in ("ana", "ben", "cem")]
    await settle()
    ask.answer(2)
    assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [ConnectionError] * 3

    ask.broken = False
    ask.answer()
    assert await find(together, "ana") == "for ana"


async def test_whoever_leaves_takes_nobody_along() -> None:
    ask = Questions()
    together = Together(ask, out=1, at_once=10)
    first, leaver, stayer = (find(together, user) for user in ("ana", "ben", "cem"))
    await settle()
    first.cancel()
    leaver.cancel()
    ask.answer()
    assert await stayer == "for cem"
    assert (await asyncio.gather(first, leaver, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_nothing_is_kept_of_what_was_answered() -> None:
    ask = Questions()
    together = Together(ask, out=1, at_once=10)
    ask.answer(3)
    await asyncio.gather(*(find(together, user) for user in ("ana", "ben")))
    assert ask.asked[1:] == [(1, ["ben"])]
    await find(together, "ben")
    assert ask.asked[2:] == [(1, ["ben"])], "a question answered before is asked anew"
