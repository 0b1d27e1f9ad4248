"""Letters in words: subject, text and HTML, and the pages behind a mail's links. Pure.

Owns which templates there are and what they are given. Whatever comes from outside is cleaned of controls first, set
apart where it is written from right to left, and escaped in HTML; a template that misses something fails loudly, and
the mail is set aside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from unicodedata import bidirectional

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from leadfeed_api.fields import clean, without_turns
from leadfeed_api.subscriptions.digest import Frequency
from leadfeed_api.subscriptions.letters.letter import Addressee, Letter, Person, Subscriber
from leadfeed_api.subscriptions.letters.wording import LANGUAGES, Language

REASONS = 3  # why somebody is mailed: enough to recognise one's own doing
SUBJECT = 120  # characters: what a telephone shows of it is less
DESCRIPTION = 300  # likewise: some programs cut a mail off at 100 kB, and with it the link that ends them


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's three texts."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Links:
    """Where a mail leads: the feed's own page, and the links that need no login."""

    feed: str
    unsubscribe: str
    confirm: str = ""


def moments(reader: Addressee, letter: Letter, digest: Frequency, links: Links, now: datetime) -> Rendered:
    """The mail that tells of moments."""
    language = LANGUAGES[reader.language]
    letter = _cleaned(letter)
    values = {
        "digest": digest,
        "letter": letter,
        "reasons": _reasons(language, letter.because, reader.user_id),
        "when": lambda instant: language.when(instant, reader.zone, now),
        "zone": reader.zone.key,
    }
    return _mail("moments", moments_subject(language, letter), reader, language, links, values)


def question(reader: Addressee, introducer: str, links: Links) -> Rendered:
    """The mail that asks the owner of an address outside whether they may be mailed."""
    language = LANGUAGES[reader.language]
    subject = language.say("question_subject", organization=_name(reader.organization))
    return _mail("question", subject, reader, language, links, {"introducer": _name(introducer)})


def page(reader: Addressee, name: str, action: str | None, button: str | None = None) -> str:
    """A small page: what will happen, or did, and a button that posts to ``action``."""
    template = _templates().get_template("page.html.jinja")
    language = LANGUAGES[reader.language]
    return template.render(name=name, action=action, button=button, **_about(reader, language))


def notice(name: str, language: Language) -> str:
    """A page for whoever follows a link that is none, or that is not theirs any more: it names nobody."""
    template = _templates().get_template("page.html.jinja")
    about = {"say": language.say, "language": language.code, "organization": "", "address": ""}
    return template.render(name=name, action=None, button=None, **about)


def moments_subject(language: Language, letter: Letter) -> str:
    """Who did what, as far as a subject goes."""
    first = letter.people[0]
    star = "★ " if first.starred else ""
    if letter.more_people or len(letter.people) > 1:
        names = [person.name for person in letter.people]
        others = letter.more_people + len(names) - 2
        shown = names[:2] if others <= 0 else [*names[:2], language.say("others", n=others)]
        return _short(star + language.say("subject_people", n=letter.moments, names=language.listed(shown)))
    who = language.say("who", name=first.name, account=first.account) if first.account else first.name
    what, more = first.moments[0].description, first.all_moments - 1
    key = "subject_person" if more else "subject_one"
    return star + language.say(key, n=more, who=_short(who, 60), what=_short(what))


def _short(text: str, longest: int = SUBJECT) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _reasons(language: Language, because: Sequence[Subscriber], user_id: str | None) -> list[str]:
    said = []
    for one in because:
        mine = one.user_id == user_id
        to = language.called(one.rule, one.label, mine=mine)
        said.append(language.say("why_mine" if mine else "why_theirs", name=one.user_name, to=to))
    more = len(said) - REASONS
    return said if more <= 0 else [*said[:REASONS], language.say("why_more", n=more)]


def _mail(
    name: str, subject: str, reader: Addressee, language: Language, links: Links, values: Mapping[str, object]
) -> Rendered:
    given = {**values, **_about(reader, language), "links": links, "subject": subject}
    text = _templates().get_template(f"{name}.txt.jinja").render(given)
    html = _templates().get_template(f"{name}.html.jinja").render(given)
    return Rendered(subject, text.strip() + "\n", html)


def _about(reader: Addressee, language: Language) -> dict[str, object]:
    return {
        "say": language.say,
        "language": language.code,
        "organization": _name(reader.organization),
        "address": reader.address,
    }


def _cleaned(letter: Letter) -> Letter:
    return replace(
        letter,
        people=tuple(_clean_person(person) for person in letter.people),
        because=tuple(
            replace(
                one,
                label=_name(one.label) if one.label else None,
                user_name=_name(one.user_name),
                rule=replace(one.rule, value=_name(one.rule.value)),
            )
            for one in letter.because
        ),
    )


def _clean_person(person: Person) -> Person:
    return replace(
        person,
        name=_name(person.name) or person.id,
        title=_name(person.title or "") or None,
        account=_name(person.account or "") or None,
        moments=tuple(
            replace(moment, description=_short(clean(without_turns(moment.description)), DESCRIPTION))
            for moment in person.moments
        ),
    )


def _name(text: str) -> str:
    """A name that may stand in a sentence: one that is written from right to left turns nothing around it."""
    text = clean(without_turns(text))
    if any(bidirectional(letter) in {"R", "AL"} for letter in text):
        return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
    return text


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("leadfeed_api.subscriptions.letters"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
