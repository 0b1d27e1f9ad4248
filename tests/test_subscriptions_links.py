"""The links in mails: looking changes nothing, one POST does, and nobody can make one up."""

import base64
import hmac
import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfeed_api.subscriptions.links import Claim, mailed_to, proves, read_token, write_token
from leadfeed_api.telemetry import redact_path
from post import Post, just_now, subscribe, unsubscribe_path
from world import World, ok, problem

pytestmark = [pytest.mark.anyio, pytest.mark.alone]
ONE_CLICK = "List-Unsubscribe=One-Click"
SECRET = "SELECT secret FROM mail_recipient r WHERE r.org_id = $1 AND r.recipient_id = $2"
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def mailed_path(world: World, post: Post) -> str:
    """The unsubscribe link of a mail that ana got."""
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    (mail,) = await post.instant()
    return unsubscribe_path(mail)


async def status(world: World) -> str:
    answer = ok(await world.client.get("/v1/mail-preferences", headers=world.rep("ana")))
    found: str = answer["status"]
    return found


async def test_looking_at_a_link_changes_nothing_however_it_is_done(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    for _ in range(3):
        shown = await world.client.get(path)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "ana@crm.example" in shown.text
        assert 'method="post"' in shown.text
        head = await world.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert (await world.client.options(path)).status_code in {204, 405}
    assert await status(world) == "active"


async def test_one_post_without_cookie_or_login_unsubscribes_and_again_is_fine(world: World, post: Post) -> None:
    path = await mailed_path(world, post)

    first = await world.client.post(path, content=ONE_CLICK, headers=FORM)
    again = await world.client.post(path, content=ONE_CLICK, headers=FORM)
    bare = await world.client.post(path)

    assert [answer.status_code for answer in (first, again, bare)] == [200, 200, 200]
    assert await status(world) == "unsubscribed"
    await world.report(just_now(world, "l1", "After"))
    assert await post.instant() == []
    listed = ok(await world.client.get("/v1/subscriptions", headers=world.rep("ana")))
    assert listed["items"][0]["deliveries"][0]["status"] == "unsubscribed"


async def test_unsubscribing_also_stops_what_was_on_its_way(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    await world.report(just_now(world, "l1", "Second"))
    await post.go()
    await world.client.post(path)
    assert await post.go(seconds=11) == []


async def test_a_mistake_can_be_taken_back_by_the_same_person_only(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    await world.client.post(path)
    await world.people("bob", leads={})
    named = await subscribe(world, "bob", "lead", "l1", recipients=["ana@crm.example"])
    assert named["deliveries"][0]["status"] == "unsubscribed"

    again = await world.client.post(path.replace("/unsubscribe", "/resubscribe"))
    assert again.status_code == 200
    assert await status(world) == "active"

    await world.client.post(path)
    await subscribe(world, "ana", "type", "web", recipients=["ana@crm.example"])
    assert await status(world) == "active"


async def test_the_pages_are_nobody_elses_to_keep_or_to_frame(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    headers = (await world.client.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert redact_path(path) == "/mail/…/unsubscribe"


async def test_a_link_that_was_cut_changed_or_made_up_leads_nowhere(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    token = path.split("/")[2]
    changed = ("A" if token[0] != "A" else "B") + token[1:]
    cut = [token[:length] for length in range(1, len(token))]
    for wrong in (*cut, token + "A", changed, "x", "é", "A" * 54, "A" * 64, token.swapcase()):
        for asked in ("GET unsubscribe", "POST unsubscribe", "POST resubscribe", "POST confirm"):
            method, end = asked.split()
            answer = await world.client.request(method, f"/mail/{wrong}/{end}")
            problem(answer, 404, "unknown-mail-link")
    assert await status(world) == "active"


async def test_a_link_to_unsubscribe_confirms_nothing_and_the_other_way_round(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    problem(await world.client.post(path.replace("/unsubscribe", "/confirm")), 404, "unknown-mail-link")
    await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    (question,) = await post.go()
    confirm = next(line for line in question.get_body(("plain",)).get_content().splitlines() if "/confirm" in line)  # type: ignore[union-attr]
    asked = "/mail/" + confirm.split("/mail/")[1]
    problem(await world.client.post(asked.replace("/confirm", "/unsubscribe")), 404, "unknown-mail-link")


async def test_a_link_to_a_former_address_shows_and_stops_nothing_at_the_new_one(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    ends = [path, path.replace("/unsubscribe", "/resubscribe")]
    moved = {"users": [{"id": "ana", "name": "Ana", "email": "ana.new@crm.example"}]}
    await world.sync(**moved)

    answers = [await world.client.get(end) for end in ends] + [await world.client.post(end) for end in ends]

    assert {answer.status_code for answer in answers} == {200}
    assert ["no longer go to the address that it was sent to" in answer.text for answer in answers] == [True] * 4
    assert not any("ana.new" in answer.text for answer in answers)
    assert await status(world) == "active"
    await world.report(just_now(world, "l1", "After"))
    (mail,) = await post.instant()
    assert mail["To"].endswith("ana.new@crm.example>")
    assert "ana.new@crm.example" in (await world.client.get(unsubscribe_path(mail))).text


async def test_a_link_works_however_the_crm_writes_the_same_address(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    louder = {"users": [{"id": "ana", "name": "Ana", "email": "ANA@crm.example"}]}
    await world.sync(**louder)
    await world.client.post(path)
    assert await status(world) == "unsubscribed"


async def test_a_link_from_before_links_named_their_address_still_works(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    claim = read_token(path.split("/")[2])
    assert claim is not None
    async with world.service.app.state.database.read() as connection:
        secret = await connection.fetchval(SECRET, claim.org_id, claim.recipient_id)
    raw = struct.pack(">Q16s", claim.org_id, claim.recipient_id.bytes)
    token = base64.urlsafe_b64encode(raw + hmac.digest(secret, b"unsubscribe", "sha256")[:16]).rstrip(b"=").decode()
    assert (await world.client.post(f"/mail/{token}/unsubscribe")).status_code == 200
    assert await status(world) == "unsubscribed"


async def test_a_person_is_told_by_a_page_that_a_link_was_cut(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    browser = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    cut = path.replace("/unsubscribe", "x/unsubscribe")

    english = await world.client.get(cut, headers=browser)
    french = await world.client.get(cut, headers={**browser, "Accept-Language": "fr-CA,en;q=0.5"})

    assert (english.status_code, english.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Copy the whole link from the mail." in english.text
    assert "Copiez-le en entier" in french.text


@pytest.mark.parametrize(
    "end", ["/unsubscr", "", "/", "/unsubscribe.", "/unsubscribe>", "/unsubscribe/", "/x/y", "long"]
)
async def test_a_link_that_lost_its_end_or_has_something_behind_it_is_a_page_too(
    world: World, post: Post, end: str
) -> None:
    path = await mailed_path(world, post)
    wrong = "/mail/" + "A" * 2_000 + "/unsubscribe" if end == "long" else path.removesuffix("/unsubscribe") + end
    shown = await world.client.get(wrong, headers={"Accept": "text/html"})
    assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Copy the whole link from the mail." in shown.text
    problem(await world.client.post(wrong), 404, "unknown-mail-link")
    assert path.split("/")[2] not in redact_path(wrong)


async def test_a_page_that_is_loaded_again_shows_how_things_stand(world: World, post: Post) -> None:
    path = await mailed_path(world, post)
    await subscribe(world, "ana", "type", "web", recipients=["pat@partner.example"])
    (question,) = await post.go()
    ask = next(line for line in question.get_body(("plain",)).get_content().splitlines() if "/confirm" in line)  # type: ignore[union-attr]
    confirm, refuse = "/mail/" + ask.split("/mail/")[1], unsubscribe_path(question)

    assert "Stop these mails?" in (await world.client.get(path.replace("/unsubscribe", "/resubscribe"))).text
    asked_not_to = (await world.client.get(refuse)).text
    assert "Not ask you again?" in asked_not_to
    assert "pat@partner.example" in asked_not_to
    await world.client.post(refuse)
    pending = await world.client.post(refuse.replace("/unsubscribe", "/resubscribe"))
    assert "once you have agreed" in pending.text
    assert "May we mail you?" in (await world.client.get(confirm)).text
    await world.client.post(confirm)
    assert "Thank you" in (await world.client.get(confirm)).text


async def test_whoever_does_not_want_to_be_asked_is_never_asked_again(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    (question,) = await post.instant()
    assert (await world.client.post(unsubscribe_path(question))).status_code == 200
    made = await subscribe(world, "ana", "type", "web", recipients=["pat@partner.example"])
    assert made["deliveries"][0]["status"] == "unsubscribed"
    assert await post.instant() == []


org_ids = st.integers(0, 2**63 - 1)
secrets = st.binary(min_size=16, max_size=16)


@given(org_ids, st.uuids(), secrets, st.sampled_from(["unsubscribe", "confirm"]))
def test_a_token_is_read_as_it_was_written(org_id: int, recipient: UUID, secret: bytes, purpose: str) -> None:
    token = write_token(org_id, recipient, secret, purpose, "a@x.example")  # type: ignore[arg-type]
    claim = read_token(token)
    assert isinstance(claim, Claim)
    assert (claim.org_id, claim.recipient_id) == (org_id, recipient)
    assert [proves(claim, secret, one) for one in ("unsubscribe", "confirm")] == [
        purpose == "unsubscribe",
        purpose == "confirm",
    ]
    assert [mailed_to(claim, secret, address) for address in ("A@x.example", "b@x.example", "")] == [True, False, False]
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").isalnum()


@given(org_ids, st.uuids(), secrets, secrets)
def test_another_secret_proves_nothing(org_id: int, recipient: UUID, secret: bytes, other: bytes) -> None:
    claim = read_token(write_token(org_id, recipient, secret, "unsubscribe", ""))
    assert claim is not None
    assert proves(claim, other, "unsubscribe") == (other == secret)


@given(st.text(max_size=80))
def test_any_text_is_a_claim_or_none(text: str) -> None:
    claim = read_token(text)
    assert claim is None or not proves(claim, b"\x00" * 16, "unsubscribe")
