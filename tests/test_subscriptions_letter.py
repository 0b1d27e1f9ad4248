"""What a mail says: who comes first, how much is shown, and that both languages say the same."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import BrowserContext

from leadfeed_api.subscriptions.letters import letter, render
from leadfeed_api.subscriptions.letters.letter import Addressee, Letter, Person, Subscriber, Telling, Told, record_url
from leadfeed_api.subscriptions.letters.render import Links, Rendered
from leadfeed_api.subscriptions.letters.wording import LANGUAGES
from leadfeed_api.subscriptions.match import Rule

pytest_plugins = ["windows"]
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LINKS = Links("https://leads.example.com/panel", "https://leads.example.com/mail/t/unsubscribe")
MINE = Subscriber(Rule("type", "web"), None, "nora", "Nora Lind")


def telling(number: int, lead: str, *, starred: bool = False, minutes: int = 0, because: Subscriber = MINE) -> Telling:
    person = Person(lead, lead.title(), "CTO", "Acme", starred=starred, url=f"https://crm.example/{lead}")
    return Telling(person, Told(UUID(int=number), "web", f"Did {number}", NOW - timedelta(minutes=minutes)), because)


READER = Addressee("nora", "Nora Lind", "nora@crm.example", "en", ZoneInfo("Europe/Paris"), "Acme")


def rendered(written: Letter, language: str = "en") -> Rendered:
    reader = replace(READER, language=language)  # type: ignore[arg-type]
    return render.moments(reader, written, "instant", LINKS, NOW)


def test_best_bets_come_first_then_whoever_did_something_last_and_the_newest_moment_first() -> None:
    written = letter.write(
        [telling(1, "old", minutes=50), telling(2, "new", minutes=1), telling(3, "star", starred=True, minutes=90),
         telling(4, "old", minutes=5)]
    )  # fmt: skip
    assert [person.id for person in written.people] == ["star", "new", "old"]
    assert [moment.description for moment in written.people[2].moments] == ["Did 4", "Did 1"]


def test_a_moment_that_came_by_several_subscriptions_is_told_once_for_all_their_reasons() -> None:
    other = Subscriber(Rule("lead", "l1"), "L1", "sam", "Sam")
    written = letter.write([telling(1, "l1"), telling(1, "l1", because=other), telling(1, "l1")])
    assert written.moments == len(written.mailed) == 1
    assert written.because == (MINE, other)
    assert "Sam subscribed you to L1." in rendered(written).text


def test_what_is_shown_is_bounded_and_the_rest_is_counted() -> None:
    written = letter.write([telling(lead * 100 + n, f"l{lead:02d}", minutes=n) for lead in range(15) for n in range(8)])
    assert (len(written.people), written.more_people, written.moments) == (12, 3, 120)
    assert {(len(person.moments), person.more) for person in written.people} == {(5, 3)}
    mail = rendered(written)
    assert mail.subject == "120 moments from L14, L13 and 13 others"
    for text in (mail.text, mail.html):
        assert "and 3 more" in text
        assert "3 more people did something" in text
        assert len(text) < 40_000


@pytest.mark.parametrize(
    ("language", "moments", "subject"),
    [
        ("en", [("ana", 1)], "★ Ana (Acme): Did 1"),
        ("fr", [("ana", 1)], "★ Ana (Acme)\N{NO-BREAK SPACE}: Did 1"),
        ("en", [("ana", 1), ("ana", 2)], "★ Ana (Acme): Did 1 (and 1 more)"),
        ("fr", [("ana", 1), ("ana", 2)], "★ Ana (Acme)\N{NO-BREAK SPACE}: Did 1 (et 1 de plus)"),
        ("en", [("ana", 1), ("bob", 2)], "★ 2 moments from Ana and Bob"),
        ("fr", [("ana", 1), ("bob", 2), ("cy", 3)], "★ 3 moments d’Ana, Bob et 1 autre"),
    ],
)
def test_a_subject_says_who_did_what(language: str, moments: list[tuple[str, int]], subject: str) -> None:
    written = letter.write([telling(n, lead, starred=lead == "ana", minutes=n) for lead, n in moments])
    assert rendered(written, language).subject == subject


def test_long_names_and_descriptions_leave_a_subject_readable() -> None:
    person = Person("1", "N" * 200, None, "A" * 200, starred=True, url=None)
    written = letter.write([Telling(person, Told(UUID(int=1), "web", "D" * 1_000, NOW), MINE)])
    assert len(rendered(written).subject) < 200
    assert "…" in rendered(written).subject


@pytest.mark.anyio
async def test_a_mail_is_no_wider_than_a_phone_however_long_a_word_is(context: BrowserContext) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": 320, "height": 640})
    long = "W" * 128
    people = [Person(f"{n}{long}", long, long, long, starred=True, url="https://crm.example/1") for n in range(2)]
    tellings = [Telling(one, Told(UUID(int=n), "web", long, NOW), MINE) for n, one in enumerate(people)]
    for language in LANGUAGES:
        reader = replace(READER, language=language, address=f"{'a' * 60}@crm.example", organization=long)
        mail = render.moments(reader, letter.write(tellings), "instant", LINKS, NOW)
        await page.set_content(mail.html)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320, language


def test_a_mail_loads_nothing_and_fits_a_terminal() -> None:
    mail = rendered(letter.write([telling(n, f"l{n}", minutes=n) for n in range(4)]))
    assert not re.search(r"<img|<link|src=|@import|url\(", mail.html)
    assert set(re.findall(r'href="([^"]+)"', mail.html)) == {
        LINKS.feed, LINKS.unsubscribe, *(f"https://crm.example/l{n}" for n in range(4)),
    }  # fmt: skip
    assert "prefers-color-scheme: dark" in mail.html
    assert max(map(len, mail.text.splitlines())) <= 78


def test_a_text_has_no_hole_where_a_lead_has_no_record() -> None:
    told = telling(1, "l1")
    without = replace(told, person=replace(told.person, url=None))
    for written in (letter.write([told]), letter.write([without])):
        assert "\n\n\n" not in rendered(written).text


def test_sixty_long_descriptions_fit_a_mail_that_nobody_cuts_off() -> None:
    tellings = [telling(lead * 10 + n, f"l{lead:02d}", minutes=n) for lead in range(12) for n in range(5)]
    long = [replace(one, moment=replace(one.moment, description="Ж" * 1_000)) for one in tellings]
    assert len(rendered(letter.write(long)).html.encode()) < 100_000


def test_a_long_address_in_a_description_stays_whole() -> None:
    address = f"https://crm.example/{'a-long/path/' * 12}"
    one = telling(1, "l1")
    text = rendered(letter.write([replace(one, moment=replace(one.moment, description=f"Saw {address} again"))])).text
    assert address in text


def test_a_name_written_from_right_to_left_turns_nothing_around_it() -> None:
    arabic, turning = "\N{ARABIC LETTER MEEM}\N{ARABIC LETTER NOON}\N{ARABIC LETTER YEH}", "Ev\u202eil"
    one = telling(1, "l1", because=replace(MINE, user_id="sam", user_name=turning))
    person = replace(one.person, name=arabic)
    mail = rendered(letter.write([replace(one, person=person)]))

    set_apart = f"\N{FIRST STRONG ISOLATE}{arabic}\N{POP DIRECTIONAL ISOLATE}"
    assert mail.subject == f"{set_apart} (Acme): Did 1"
    for text in (
        mail.subject,
        mail.text,
        mail.html,
        render.question(replace(READER, organization=turning), turning, LINKS).text,
    ):
        assert "\u202e" not in text
    assert f"Open {set_apart}" in mail.text
    assert '<p dir="auto" class="ink"' in mail.html


def test_markup_in_a_name_is_text() -> None:
    person = Person("1", "<b>Bo</b> & 'Co'", "<i>", '"A"', starred=False, url='https://crm.example/"><script>')
    mail = rendered(letter.write([Telling(person, Told(UUID(int=1), "web", "<script>x</script>", NOW), MINE)]))
    assert "<b>" not in mail.html
    assert "<script>" not in mail.html
    assert "<b>Bo</b> & 'Co'" in mail.text


def test_a_leads_record_is_found_by_the_organisations_template() -> None:
    assert record_url("https://crm.example/l/{lead_id}?x=1", "a b/ü") == "https://crm.example/l/a%20b%2F%C3%BC?x=1"
    assert record_url(None, "a") is None


def test_both_languages_have_the_same_texts_with_the_same_blanks() -> None:
    def blanks(text: str) -> set[str]:
        return {name.removeprefix("of_") for _, name, _, _ in Formatter().parse(text) if name}

    english, french = LANGUAGES["en"].texts, LANGUAGES["fr"].texts
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert blanks(text) - {"n"} == blanks(french[key]) - {"n"}, key


@pytest.mark.parametrize(("language", "promise"), [("en", "a link to stop it."), ("fr", "un lien pour les arrêter.")])
def test_whoever_agrees_is_told_that_every_mail_can_be_stopped(language: Literal["en", "fr"], promise: str) -> None:
    assert promise in render.page(replace(READER, language=language), "confirmed", None)


@pytest.mark.parametrize(
    ("account", "team"),
    [("Initech", "d’Initech"), ("Étoile", "d’Étoile"), ("Globex", "de Globex"), ("Hooli", "de Hooli"), ("3M", "de 3M")],
)
def test_french_elides_before_a_vowel(account: str, team: str) -> None:
    colleague = Subscriber(Rule("account", "a1"), account, "sam", "Sam")
    mail = rendered(letter.write([telling(1, "l1", because=colleague)]), "fr")
    assert f"Sam vous l’envoie par son abonnement à toute l’équipe {team}." in mail.text


def test_times_are_those_of_the_reader_and_say_the_year_only_when_it_is_another() -> None:
    summer = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    zone = ZoneInfo("Europe/Paris")
    assert LANGUAGES["en"].when(summer, zone, NOW) == "Thu 2 Jul, 00:30"
    assert LANGUAGES["fr"].when(summer, zone, NOW) == "jeu. 2 juil., 00:30"
    assert LANGUAGES["en"].when(summer.replace(year=2025), zone, NOW) == "Wed 2 Jul 2025, 00:30"
