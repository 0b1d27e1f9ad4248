"""Who the demo is about: the seller's reps, and accounts and leads around the world.

Pure and repeatable: the same seed makes the same people. Names and addresses are ``demo_phrases``'; what people do is
``demo_story``'s.
"""

import random
import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leadfeed_api.cli import demo_phrases as phrases
from leadfeed_api.cli.demo_phrases import Country

LEADS = 300
_SLOW_LETTERS = str.maketrans({"ł": "l", "Ł": "l", "ß": "ss", "ı": "i", "ø": "o", "Ø": "o"})


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A sales rep of the seller; fields as ``POST /v1/sync`` takes them."""

    id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A company that buys; fields as ``POST /v1/sync`` takes them."""

    id: str
    name: str
    url: str
    address: str


@dataclass(frozen=True, slots=True)
class DemoLead:
    """A person at one of the accounts; fields as ``POST /v1/sync`` takes them."""

    id: str
    name: str
    title: str
    account_id: str
    owner_id: str | None
    email: str
    phone: str | None
    mobile: str | None
    fax: str | None
    score: float


def reps() -> tuple[DemoUser, ...]:
    """The seller's sales reps; the first is the one whose feed the demo shows."""
    return tuple(
        DemoUser(f"u-{_ascii(name).split()[0]}", name, f"{'.'.join(_ascii(name).split())}@{phrases.SELLER}")
        for name in phrases.REPS
    )


def companies() -> tuple[DemoAccount, ...]:
    """The accounts."""
    return tuple(
        DemoAccount(_account_id(place), company.name, f"https://www.{company.domain}.example/", company.address)
        for place, company in enumerate(phrases.COMPANIES)
    )


def clocks(leads: Sequence[DemoLead]) -> Mapping[str, float]:
    """Hours from UTC where each lead works, by lead id."""
    hours = {
        _account_id(place): phrases.COUNTRIES[company.country].hours for place, company in enumerate(phrases.COMPANIES)
    }
    return {lead.id: hours[lead.account_id] for lead in leads}


def people(rng: random.Random, users: Sequence[DemoUser]) -> tuple[DemoLead, ...]:
    """Leads: an account belongs to one rep, a few of its people to another, fewer to nobody."""
    everywhere = range(len(phrases.COMPANIES))
    places = [*everywhere] * 4 + rng.choices(everywhere, k=LEADS - 4 * len(everywhere))
    taken: set[str] = set()
    leads = []
    for number, place in enumerate(sorted(places), 1):
        company = phrases.COMPANIES[place]
        country = phrases.COUNTRIES[company.country]
        name = _new_name(rng, country, taken)
        owner = users[place % len(users)] if rng.random() < 0.88 else rng.choice((*users, None))
        leads.append(
            DemoLead(
                id=f"00Q8d{number:06d}",
                name=name,
                title=rng.choice(phrases.TITLES),
                account_id=_account_id(place),
                owner_id=owner.id if owner else None,
                email=f"{'.'.join(_ascii(name).split())}@{company.domain}.example",
                phone=_number(rng, country.phone, 0.9),
                mobile=_number(rng, country.mobile, 0.5),
                fax=_number(rng, country.phone, 0.12),
                score=float(min(180, round(rng.lognormvariate(3.3, 0.8)))),
            )
        )
    return tuple(leads)


def _new_name(rng: random.Random, country: Country, taken: set[str]) -> str:
    while True:
        name = f"{rng.choice(country.given.split())} {rng.choice(country.family.split())}"
        if name not in taken:
            taken.add(name)
            return name


def _number(rng: random.Random, pattern: str, chance: float) -> str | None:
    if not pattern or rng.random() > chance:
        return None
    return re.sub("#", lambda _: str(rng.randrange(10)), pattern)


def _account_id(place: int) -> str:
    return f"001-{place + 1:03d}"


def _ascii(name: str) -> str:
    """Lower-case letters for an address: accents dropped."""
    plain = unicodedata.normalize("NFKD", name.translate(_SLOW_LETTERS))
    return "".join(letter for letter in plain.lower() if letter in string.ascii_lowercase + "- ")
