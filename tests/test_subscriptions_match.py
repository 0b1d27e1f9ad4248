"""What matches: the rule itself, and that a feed's ``subscribed`` (SQL) says what the rule (Python) says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadfeed_api.feed.words import holds_words, words_of
from leadfeed_api.subscriptions.match import Occasion, Rule, matches
from post import just_now, subscribe
from world import Service, World, ok


@pytest.mark.parametrize(
    ("description", "wanted", "said"),
    [
        ("Visited the pricing page", "pricing", True),
        ("Visited the PRICING page", "Pricing", True),
        ("Visited the pricing page", "page visited", True),
        ("Visited the pricing page", "price", False),
        ("Visited the pricing page", "pricing demo", False),
        ("Pricing-page, twice", "page", True),
        ("Read l'offre d’essai", "offre essai", True),
        ("Größe geändert", "GRÖSSE", True),
        ("A demandé une démo", "demo", False),
        ("A demandé une démo", "DE\u0301MO", True),
        ("ﬁrst visit", "first", True),
        ("Plan_B chosen", "b", True),
        ("Q3 review", "q3", True),
        ("Anything", "…", False),
        ("", "anything", False),
    ],
)
def test_words_match_whole_in_any_order_and_case(description: str, wanted: str, said: bool) -> None:
    assert holds_words(description, wanted) is said


@given(st.text(max_size=30), st.text(max_size=30), st.text(alphabet=" .,;-'’(\t", min_size=1, max_size=3))
def test_a_text_holds_its_own_words_however_they_are_arranged(one: str, other: str, between: str) -> None:
    wanted = between.join(sorted(words_of(one), reverse=True))
    assert holds_words(one + between + other, wanted) == bool(wanted)
    assert holds_words(other, wanted) == (bool(wanted) and words_of(one) <= words_of(other))


def occasion(**fields: Any) -> Occasion:
    return Occasion(**{"lead_id": "l1", "account_id": "a1", "type": "web", "description": "Asked for a demo",
                       "owned": False, "watched": False, **fields})  # fmt: skip


def test_lead_and_account_follow_the_person_and_the_company_whoever_owns_them() -> None:
    assert matches(Rule("lead", "l1"), occasion())
    assert not matches(Rule("lead", "l2"), occasion(owned=True))
    assert matches(Rule("account", "a1"), occasion())
    assert not matches(Rule("account", "a1"), occasion(account_id=None, owned=True))


@pytest.mark.parametrize("rule", [Rule("type", "web"), Rule("description", "DEMO asked")])
def test_type_and_description_need_an_owned_lead_or_one_in_the_feed(rule: Rule) -> None:
    anywhere = Rule(rule.kind, rule.value, "feed")
    assert not matches(rule, occasion())
    assert not matches(rule, occasion(watched=True))
    assert matches(rule, occasion(owned=True))
    assert not matches(anywhere, occasion())
    assert matches(anywhere, occasion(watched=True))
    assert matches(anywhere, occasion(owned=True))
    assert not matches(rule, occasion(owned=True, type="email", description="Read a page"))


LEADS = {"owned": "ana", "both": "ana", "seen": "bob"}
VOCABULARY = [
    "Demo",
    "demo",
    "PRICING",
    "pricing",
    "page",
    "Élan",
    "élan",
    "straße",
    "STRASSE",
    "2026",
    "l'an",
    "…",
    "_",
]
descriptions = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4).map(" ".join)
wanted = st.fixed_dictionaries(
    {
        "match": st.one_of(
            st.builds(lambda value: {"kind": "lead", "value": value}, st.sampled_from([*LEADS])),
            st.builds(lambda value: {"kind": "account", "value": value}, st.sampled_from(["acme", "other"])),
            st.builds(lambda value: {"kind": "type", "value": value}, st.sampled_from(["web", "email", "milestone"])),
            st.builds(lambda value: {"kind": "description", "value": value}, descriptions.filter(words_of)),
        ),
        "scope": st.sampled_from(["owned", "feed"]),
        "paused": st.booleans(),
    }
)
happened = st.tuples(st.sampled_from([*LEADS]), st.sampled_from(["web", "email", "milestone"]), descriptions)


@pytest.mark.anyio
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(wanted, min_size=1, max_size=3), st.lists(happened, min_size=1, max_size=8))
async def test_subscribed_is_what_the_rule_says_for_every_item_of_a_feed(
    service: Service, asked: list[dict[str, Any]], moments: list[tuple[str, str, str]]
) -> None:
    world = await service.new_world()
    await _prepare(world)
    for one in asked:
        await subscribe(world, "ana", one["match"]["kind"], one["match"]["value"], scope=one["scope"],
                        paused=one["paused"])  # fmt: skip
    await world.report(*(just_now(world, lead, text, type=kind) for lead, kind, text in moments))

    rules = [Rule(**one["match"], scope=one["scope"]) for one in asked if not one["paused"]]
    items = await world.feed("ana")
    assert len(items) == len(moments)
    for item in items:
        seen = Occasion(
            lead_id=item["lead"]["id"],
            account_id=item["account"]["id"] if item["account"] else None,
            type=item["type"],
            description=item["description"],
            owned="owned" in item["because"],
            watched="watched" in item["because"],
        )
        assert item["subscribed"] == any(matches(rule, seen) for rule in rules), (item, rules)


async def _prepare(world: World) -> None:
    """Two companies, one lead without any, of which ana watches one of her own and one of bob's."""
    await world.people("ana", "bob", leads=LEADS)
    await world.sync(accounts=[{"id": "other", "name": "Other"}],
                     leads=[{"id": "both", "account_id": "other"}, {"id": "seen", "account_id": None}])  # fmt: skip
    for lead in ("both", "seen"):
        assert (await world.client.put(f"/v1/watchlist/{lead}", headers=world.rep("ana"))).status_code == 204
    ok(await world.client.get("/v1/feed", headers=world.rep("ana")))
