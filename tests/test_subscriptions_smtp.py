"""Mail by a real mail server, well-behaved and not: encryption, passwords, reuse, and every way a message can fail."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery import composing
from leadfeed_api.subscriptions.delivery.carriers import Carrier, Mailbox, Refused, Uncertain, Unreachable
from leadfeed_api.subscriptions.delivery.smtp import MailServer as Address
from leadfeed_api.subscriptions.delivery.smtp import Smtp
from leadfeed_api.subscriptions.letters.message import Envelope
from mail_server import MailServer, running, self_signed
from post import Clock, Post, just_now, open_post, subscribe
from world import World, ok

pytestmark = [pytest.mark.anyio, pytest.mark.alone]
MESSAGE = b"Message-ID: <m1@test>\r\nSubject: Hello\r\n\r\nfirst\r\n.\r\n..dots\r\nlast\r\n"


def mail(recipient: str = "ana@crm.example", message: bytes = MESSAGE) -> Envelope:
    return Envelope("m1", "leadfeed@localhost", recipient, message)


async def handed_over() -> None:
    """Nothing has to be noted."""


@asynccontextmanager
async def smtp(server: MailServer, url: str = "smtp://127.0.0.1", **options: Any) -> AsyncIterator[Smtp]:
    address = Address.at(url.replace("127.0.0.1", f"127.0.0.1:{server.port}"))
    carrier = Smtp(address, **options)
    try:
        yield carrier
    finally:
        await carrier.close()


async def test_a_message_arrives_as_it_was_written(anyio_backend_name: str) -> None:
    async with running() as server, smtp(server) as carrier:
        await carrier.carry(mail(), handed_over)
    assert server.kept == [("ana@crm.example", MESSAGE)]


async def test_one_connection_carries_many_messages() -> None:
    async with running() as server, smtp(server) as carrier:
        for number in range(25):
            await carrier.carry(mail(f"r{number}@crm.example"), handed_over)
    assert len(server.kept) == 25
    assert server.connections == 1


async def test_a_connection_that_went_stale_is_replaced_unnoticed() -> None:
    async with running() as server, smtp(server) as carrier:
        await carrier.carry(mail(), handed_over)
        carrier._idle[0]._client.transport.abort()  # type: ignore[union-attr]
        await carrier.carry(mail(), handed_over)
    assert len(server.kept) == 2


async def test_encryption_is_used_when_offered_and_a_password_only_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = self_signed(tmp_path)
    async with running(tls=context) as server, smtp(server) as carrier:
        await carrier.carry(mail(), handed_over)
        assert server.encrypted == [True]
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    for url, options in (
        ("smtp://ana:p%40ss@127.0.0.1?starttls=required", {"tls": context}),
        ("smtps://ana:p%40ss@127.0.0.1", {"tls": context, "implicit_tls": True}),
    ):
        async with running(login=("ana", "p@ss"), **options) as server, smtp(server, url) as carrier:
            await carrier.carry(mail(), handed_over)
            assert (server.encrypted, server.logins) == ([True], ["ana"])


async def test_required_encryption_wants_the_right_certificate_and_is_never_given_up(tmp_path: Path) -> None:
    context, _ = self_signed(tmp_path)
    for url, options in (
        ("smtp://127.0.0.1?starttls=required", {}),
        ("smtp://127.0.0.1?starttls=required", {"tls": context}),
        ("smtps://127.0.0.1", {"tls": context, "implicit_tls": True}),
    ):
        async with running(**options) as server, smtp(server, url) as carrier:
            with pytest.raises(Unreachable):
                await carrier.carry(mail(), handed_over)
            assert server.kept == []


async def test_a_wrong_password_is_no_mails_fault() -> None:
    async with running(login=("ana", "right")) as server, smtp(server, "smtp://ana:wrong@127.0.0.1") as carrier:
        with pytest.raises(Unreachable, match="535"):
            await carrier.carry(mail(), handed_over)
    assert server.kept == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://mail.example", "expected smtp://"),
        ("smtp://", "expected smtp://"),
        ("mail.example:25", "expected smtp://"),
        ("smtp://mail.example?starttls=maybe", "starttls must be"),
        ("smtp://mail.example?starttls=", "starttls must be"),
        ("smtp://mail.example?start_tls=required", "no other option than starttls"),
        ("smtp://mail.example?STARTTLS=required", "no other option than starttls"),
        ("smtps://mail.example?starttls=required", "starttls must be"),
        ("smtp://ana:secret@mail.example?starttls=never", "only encrypted"),
        ("smtp://ana:secret@mail.example?starttls=optional", "only encrypted"),
        ("smtp://ana:secret@mail.example:http", "expected smtp://"),
        ("smtp://ana:secret#1@mail.example:587", "expected smtp://"),
        ("smtp://ana:secret/1@mail.example:587", "expected smtp://"),
        ("smtp://ana:12?secret@mail.example", "no other option than starttls"),
        ("smtp://ana:x@mail.example/#secret", "expected smtp://"),
        ("smtp://ana:secret@[::1", "expected smtp://"),
    ],
)
def test_an_address_that_makes_no_sense_or_gives_a_password_away_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        Address.at(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example", 25, "optional"),
        ("smtp://ana:p@mail.example", 587, "required"),
        ("smtp://ana:p@localhost", 587, "optional"),
        ("smtps://ana:p@mail.example", 465, "wrapped"),
        ("smtp://mail.example:2525?starttls=never", 2525, "never"),
    ],
)
def test_an_address_says_where_and_how(url: str, port: int, tls: str) -> None:
    address = Address.at(url)
    assert (address.port, address.tls) == (port, tls)


@pytest.mark.parametrize(
    ("stage", "answer", "blames"),
    [
        ("rcpt", "550 no such user", "address"),
        ("rcpt", "550 5.1.1 no such user", "address"),
        ("rcpt", "550 5.4.1 access denied", "address"),
        ("rcpt", "551 moved", "address"),
        ("rcpt", "556 5.1.10 takes no mail", "address"),
        ("rcpt", "554 5.2.1 mailbox disabled", "address"),
        ("rcpt", "501 5.1.3 bad address", "address"),
        ("rcpt", "550 5.7.1 unable to relay", "nobody"),
        ("rcpt", "550 5.1.8 who are you", "nobody"),
        ("rcpt", "552 5.2.2 mailbox full", "nobody"),
        ("rcpt", "554 no", "nobody"),
        ("rcpt", "451 greylisted", "nobody"),
        ("rcpt", "452 full", "nobody"),
        ("data", "550 5.1.1 no such user", "address"),
        ("data", "550 message looks like spam", "message"),
        ("data", "550 5.6.0 bad content", "message"),
        ("data", "550 5.7.26 unauthenticated sender", "message"),
        ("data", "554 spam", "message"),
        ("data", "552 too big", "message"),
        ("data", "451 try later", "nobody"),
    ],
)
async def test_each_answer_of_the_server_means_what_it_says(stage: str, answer: str, blames: str) -> None:
    async with running() as server, smtp(server) as carrier:
        setattr(server.wrong, stage, lambda address: answer if address.startswith("ana") else None)
        with pytest.raises(Refused, match=answer[:3]) as refused:
            await carrier.carry(mail(), handed_over)
        assert refused.value.blames == blames
        await carrier.carry(mail("bob@crm.example"), handed_over)
        assert server.connections == 1
    assert [address for address, _ in server.kept] == ["bob@crm.example"]


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("greeting", "554 no service here"),
        ("greeting", "421 too busy"),
        ("mail", "530 5.7.0 log in first"),
        ("mail", "550 5.7.1 not from you"),
        ("rcpt", "530 5.7.0 log in first"),
        ("rcpt", "503 bad sequence"),
        ("rcpt", "521 takes no mail"),
        ("data", "530 5.7.0 log in first"),
    ],
)
async def test_a_server_that_serves_nobody_is_no_mails_fault(stage: str, answer: str) -> None:
    async with running() as server, smtp(server) as carrier:
        setattr(server.wrong, stage, answer if stage in {"greeting", "mail"} else lambda _: answer)
        with pytest.raises(Unreachable, match=answer[:3]):
            await carrier.carry(mail(), handed_over)
        server.wrong = type(server.wrong)()
        await carrier.carry(mail(), handed_over)
    assert len(server.kept) == 1


async def test_a_server_that_is_closing_or_gone_is_unreachable_and_nothing_was_handed_over() -> None:
    calls: list[int] = []

    async def noted() -> None:
        calls.append(1)

    async with running() as server, smtp(server) as carrier:
        server.wrong.rcpt = lambda _: "421 closing"
        with pytest.raises(Unreachable, match="421"):
            await carrier.carry(mail(), noted)
        await server.stop()
        with pytest.raises(Unreachable):
            await carrier.carry(mail(), noted)
    assert calls == []


async def test_a_lost_connection_after_the_message_is_a_doubt_and_it_was_noted_before() -> None:
    order: list[str] = []
    async with running() as server, smtp(server) as carrier:

        async def noted() -> None:
            assert server.kept == []
            order.append("noted")

        server.wrong.swallow = lambda _: True
        with pytest.raises(Uncertain):
            await carrier.carry(mail(), noted)
    assert order == ["noted"]
    assert len(server.kept) == 1


async def test_a_message_that_must_not_leave_does_not() -> None:
    async def refuses() -> None:
        raise PermissionError

    async with running() as server, smtp(server) as carrier:
        with pytest.raises(PermissionError):
            await carrier.carry(mail(), refuses)
        await carrier.carry(mail("bob@crm.example"), handed_over)
    assert [address for address, _ in server.kept] == ["bob@crm.example"]


async def test_a_server_too_slow_to_use_is_given_up_before_and_waited_for_after_the_message() -> None:
    async with running() as server, smtp(server, command_s=0.05) as carrier:
        server.wrong.tarpit_s = 0.3
        with pytest.raises(Unreachable):
            await carrier.carry(mail(), handed_over)
    async with running() as server, smtp(server, command_s=0.3, answer_s=5.0) as carrier:
        server.wrong.tarpit_s = 0.1
        await carrier.carry(mail(), handed_over)
        assert len(server.kept) == 1


async def test_connections_that_are_dead_cost_no_more_time_together_than_one_message_may() -> None:
    async with running() as server, smtp(server, command_s=0.2, ready_s=0.3) as carrier:
        all_three = asyncio.Barrier(3)

        async def together() -> None:
            await all_three.wait()

        await asyncio.gather(*(carrier.carry(mail(), together) for _ in range(3)))
        server.wrong.tarpit_s = 1.0
        with pytest.raises(Unreachable, match="not ready for a message"):
            await carrier.carry(mail(), handed_over)
        assert server.connections == 3


async def test_a_folder_takes_the_mail_where_there_is_no_server(tmp_path: Path) -> None:
    carrier: Carrier = Mailbox(tmp_path / "deep" / "mailbox")
    for _ in range(2):
        await carrier.carry(mail(), handed_over)
    (kept,) = (tmp_path / "deep" / "mailbox").iterdir()
    assert (kept.name, kept.read_bytes()) == ("m1.eml", MESSAGE)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unreachable):
        await Mailbox(tmp_path / "file").carry(mail(), handed_over)


async def test_what_is_in_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    made, given = tmp_path / "made", tmp_path / "given"
    given.mkdir(mode=0o755)
    for folder in (made, given):
        await Mailbox(folder).carry(mail(), handed_over)
    assert [oct(one.stat().st_mode & 0o777) for one in (made, made / "m1.eml", given / "m1.eml")] == [
        "0o700", "0o600", "0o600",
    ]  # fmt: skip


async def test_nothing_is_composed_for_a_server_that_is_away(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed: list[object] = []
    compose = composing.compose

    async def counted(*arguments: Any) -> Any:
        composed.append(arguments)
        return await compose(*arguments)

    monkeypatch.setattr(composing, "compose", counted)
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    async with running() as server, smtp(server) as carrier, open_post(settings, carrier) as post:
        await server.stop()
        await world.report(just_now(world, "l1", "Visit-01"))
        for _ in range(5):
            await drained(post, seconds=60)
        assert post.counted("leadfeed_mails_failed_total", reason="unreachable") >= 3
        assert composed == []
        await server.start()
        await drained(post, seconds=60)
        assert (len(composed), len(server.kept), server.connections) == (1, 1, 1)


async def test_an_answer_in_another_encoding_puts_a_message_off_and_leaves_no_doubt(
    settings: Settings, world: World
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    async with running() as server, smtp(server) as carrier, open_post(settings, carrier) as post:
        server.wrong.data = lambda _: "451 réessayez".encode("latin-1")
        await world.report(just_now(world, "l1", "Visit-01"))
        await drained(post)
        await drained(post, seconds=11)
        assert post.counted("leadfeed_mails_failed_total", reason="put-off") == 1
        server.wrong.data = lambda _: None
        await drained(post, seconds=30)
        assert [visits(message) for _, message in server.kept] == [{"Visit-01"}]


Trouble = Callable[[MailServer], Awaitable[None]]


async def away(server: MailServer) -> None:
    await server.stop()


async def refusing(server: MailServer) -> None:
    server.wrong.rcpt = lambda _: "451 come again"


async def closing(server: MailServer) -> None:
    server.wrong.rcpt = lambda _: "421 too busy"


async def putting_off(server: MailServer) -> None:
    server.wrong.data = lambda _: "451 local error"


async def swallowing(server: MailServer) -> None:
    server.wrong.swallow = lambda _: True


async def losing(server: MailServer) -> None:
    server.wrong.swallow, server.wrong.keep_swallowed = (lambda _: True), False


async def turning_away(server: MailServer) -> None:
    server.wrong.greeting = "554 no service here"


async def wanting_a_login(server: MailServer) -> None:
    server.wrong.mail = "530 5.7.0 log in first"


async def denying_relay(server: MailServer) -> None:
    server.wrong.rcpt = lambda _: "550 5.7.1 unable to relay"


async def rejecting(server: MailServer) -> None:
    server.wrong.data = lambda _: "554 transaction failed"


async def tarpitting(server: MailServer) -> None:
    server.wrong.tarpit_s = 0.5  # longer than the carrier waits in this test


LONG = pytest.mark.soak


@pytest.mark.parametrize(
    "trouble",
    [
        away,
        swallowing,
        losing,
        rejecting,
        denying_relay,
        *(pytest.param(one, marks=LONG) for one in (refusing, closing, putting_off, tarpitting)),
        *(pytest.param(one, marks=LONG) for one in (turning_away, wanting_a_login)),
    ],
)
async def test_after_an_hour_of_trouble_everything_arrives_and_nothing_more_than_twice(
    settings: Settings, world: World, trouble: Trouble
) -> None:
    reps = [f"rep{number}" for number in range(8)]
    await world.people(*reps, leads={f"of-{rep}": rep for rep in reps})
    for rep in reps:
        await subscribe(world, rep, "type", "web")
    async with running() as server, smtp(server, command_s=0.25) as carrier, open_post(settings, carrier) as post:
        await trouble(server)
        expected = set()
        for minute in range(60):
            if minute < 40:
                rep = reps[minute % 8]
                await world.report(just_now(world, f"of-{rep}", f"Visit-{minute:02d}"))
                expected.add(f"Visit-{minute:02d}")
            await drained(post, seconds=60)
        server.wrong = type(server.wrong)()
        if trouble is away:
            await server.start()
        for _ in range(100):
            await drained(post, minutes=2)

        told = {word for _, message in server.kept for word in visits(message)}
        assert told == expected
        assert max(server.copies().values()) <= 2
        assert sum(server.copies().values()) <= len(server.copies()) + 16
        if trouble not in {swallowing, losing}:
            assert set(server.copies().values()) == {1}
        outbox = ok(await world.client.get("/v1/outbox", headers=world.machine))
        assert outbox["queued"] == 0
        if trouble not in {swallowing, losing}:
            assert outbox["set_aside"] == []
        for rep in reps:
            (mine,) = ok(await world.client.get("/v1/subscriptions", headers=world.rep(rep)))["items"]
            assert [one["status"] for one in mine["deliveries"]] == ["active"]


Turn = Callable[[], Awaitable[None]]


@asynccontextmanager
async def staff(settings: Settings, server: MailServer, clock: Clock, workers: int) -> AsyncIterator[Turn]:
    """Does what is due, with so many workers side by side; without any, with a new one each time, as a scheduler."""
    async with AsyncExitStack() as stack:

        async def hired() -> Post:
            return await stack.enter_async_context(
                open_post(settings, await stack.enter_async_context(smtp(server)), clock)
            )

        posts = [await hired() for _ in range(workers)]

        async def turn() -> None:
            await asyncio.gather(*(post.deliverer.drain() for post in posts or [await hired()]))

        yield turn


@pytest.mark.parametrize(("reps", "workers"), [(1, 1), (3, 1), (8, 2), (8, 0)])
async def test_an_hour_in_which_a_server_loses_what_it_takes_costs_no_mail_however_few_or_whoever_works(
    settings: Settings, world: World, reps: int, workers: int
) -> None:
    names = [f"rep{number}" for number in range(reps)]
    await world.people(*names, leads={f"of-{rep}": rep for rep in names})
    for rep in names:
        await subscribe(world, rep, "type", "web")
    lost: list[str] = []

    def loses(address: str) -> bool:
        lost.append(address)
        return True

    clock = Clock()
    async with running() as server, staff(settings, server, clock, workers) as turn:
        server.wrong.swallow, server.wrong.keep_swallowed = loses, False
        expected = {f"Visit-{number:02d}" for number in range(5 * reps)}  # of each rep's lead as many as a mail shows
        for minute in range(60):
            if minute < 5 * reps:
                await world.report(just_now(world, f"of-{names[minute % reps]}", f"Visit-{minute:02d}"))
            clock.move(minutes=1)
            if workers or minute % 4 == 3:
                await turn()
        server.wrong = type(server.wrong)()
        for _ in range(12):
            clock.move(minutes=15)
            await turn()

        assert {word for _, message in server.kept for word in visits(message)} == expected
        assert set(server.copies().values()) == {1}
        assert len(lost) <= 8
        outbox = ok(await world.client.get("/v1/outbox", headers=world.machine))
        assert (outbox["queued"], outbox["set_aside"]) == (0, [])


@pytest.mark.parametrize("workers", [1, 3, 0])
async def test_a_server_that_refuses_every_address_for_an_hour_costs_three_of_them_and_the_rest_nothing(
    settings: Settings, world: World, workers: int
) -> None:
    reps = [f"rep{number}" for number in range(8)]
    await world.people(*reps, leads={f"of-{rep}": rep for rep in reps})
    for rep in reps:
        await subscribe(world, rep, "type", "web")
    clock = Clock()
    async with running() as server, staff(settings, server, clock, workers) as turn:
        server.wrong.rcpt = lambda _: "550 relay not permitted"
        for quarter in range(4):
            await world.report(*(just_now(world, f"of-{rep}", f"Visit-{quarter}{rep[-1]}") for rep in reps))
            for _ in range(15 if workers else 3):
                clock.move(minutes=1 if workers else 5)
                await turn()
        server.wrong.rcpt = lambda _: None
        for minutes in (60, 2, 2):
            clock.move(minutes=minutes)
            await turn()

        deliveries = [
            one
            for rep in reps
            for mine in ok(await world.client.get("/v1/subscriptions", headers=world.rep(rep)))["items"]
            for one in mine["deliveries"]
        ]
        refused = {one["address"] for one in deliveries if one["status"] == "refused"}
        assert len(refused) == 3
        assert {one["reason"] for one in deliveries} == {"550 relay not permitted", None}
        expected = {(address, f"Visit-{n}{address[3]}") for address in addresses(reps) - refused for n in range(4)}
        assert {(address, word) for address, message in server.kept for word in visits(message)} == expected
        assert set(server.copies().values()) == {1}


def addresses(reps: list[str]) -> set[str]:
    return {f"{rep}@crm.example" for rep in reps}


async def drained(post: Post, **by: float) -> None:
    post.clock.move(**by)
    await post.deliverer.drain()


def visits(message: bytes) -> set[str]:
    """The moments a message tells of."""
    return set(re.findall(r"Visit-\d\d", message.decode().replace("=\r\n", "")))
