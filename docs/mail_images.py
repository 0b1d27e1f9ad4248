"""Draws docs/images/mail-*.png: the mails as a reader meets them, light and dark, and in a terminal.

    .venv/bin/python docs/mail_images.py

The mails are rendered by the code that sends them, from made-up people, and photographed by Debian's Chromium. Run it
after changing a template, and look at what it drew.
"""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from playwright.async_api import Browser, async_playwright

from leadfeed_api.subscriptions.letters import letter, render
from leadfeed_api.subscriptions.letters.letter import Addressee, Person, Subscriber, Telling, Told
from leadfeed_api.subscriptions.letters.render import Links, Rendered
from leadfeed_api.subscriptions.match import Rule

IMAGES = Path(__file__).parent / "images"
NOW = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
LINKS = Links(
    "https://leads.example.com/panel",
    "https://leads.example.com/mail/c2VjcmV0/unsubscribe",
    "https://leads.example.com/mail/c2VjcmV0/confirm",
)
NORA = Addressee("nora", "Nora Lind", "nora@crm.example", "en", ZoneInfo("Europe/Paris"), "Northwind Traders")
LUC = Addressee("luc", "Luc Martin", "luc@crm.example", "fr", ZoneInfo("Europe/Paris"), "Northwind Traders")
GUEST = Addressee(None, "", "pat@partner.example", "en", ZoneInfo("Europe/Paris"), "Northwind Traders")
MINE = Subscriber(Rule("type", "milestone"), None, "nora", "Nora Lind")
PRICING = Subscriber(Rule("description", "pricing", "feed"), None, "nora", "Nora Lind")
COLLEAGUE = Subscriber(Rule("account", "a-3"), "Initech", "sam", "Sam Okafor")
PEOPLE = {
    "ana": Person("1", "Ana Ruiz", "CTO", "Initech", starred=True, url="https://crm.example/leads/1"),
    "jo": Person("2", "Jo Baker", "Head of Purchasing", "Globex", starred=False, url="https://crm.example/leads/2"),
    "lena": Person("3", "Lena Fischer", None, "Initech", starred=False, url="https://crm.example/leads/3"),
    "maelys": Person(
        "4",
        "Maëlys de La Rochefoucauld-Montmorency",
        "Directrice des achats et de la logistique",
        "Établissements Poulain et fils",
        starred=True,
        url="https://crm.example/leads/4",
    ),
}


def tell(who: str, kind: str, what: str, minutes: int, because: Subscriber = MINE) -> Telling:
    """One moment, that many minutes ago."""
    number = sum(map(ord, who + what)) + minutes
    return Telling(PEOPLE[who], Told(UUID(int=number), kind, what, NOW - timedelta(minutes=minutes)), because)


INSTANT = [
    tell("ana", "milestone", "Asked for a demo", 1),
    tell("ana", "web", "Visited the pricing page 3 times", 4, PRICING),
]
DAY = [
    *INSTANT,
    *(tell("ana", "web", f"Read chapter {n} of the security guide", 60 + n, PRICING) for n in range(1, 6)),
    tell("jo", "email", "Answered the offer: “can we talk about delivery in January?”", 190, PRICING),
    tell("jo", "web", "Compared the Team and Enterprise plans", 260, PRICING),
    tell("lena", "email", "Opened “What changes in 2027”", 900, COLLEAGUE),
]
TEAM = Subscriber(Rule("account", "a-3"), "Initech", "luc", "Luc Martin")
FRENCH = [
    tell("maelys", "milestone", "A demandé un devis pour 1 200 postes, à livrer sur trois sites avant la fin mars", 12),
    tell("ana", "email", "A répondu à l’invitation au salon", 47, TEAM),
]


def mails() -> Iterator[tuple[str, Rendered]]:
    """What is drawn, by name."""
    yield "instant", render.moments(NORA, letter.write(INSTANT), "instant", LINKS, NOW)
    yield "daily", render.moments(NORA, letter.write(DAY), "daily", LINKS, NOW)
    yield "french", render.moments(LUC, letter.write(FRENCH), "hourly", LINKS, NOW)
    yield "question", render.question(GUEST, "Nora Lind", LINKS)
    yield "question-french", render.question(replace(GUEST, language="fr"), "Nora Lind", LINKS)


async def photograph(browser: Browser, html: str, path: Path, *, dark: bool, width: int) -> None:
    """One page, as high as it is."""
    context = await browser.new_context(
        viewport={"width": width, "height": 300}, device_scale_factor=2, color_scheme="dark" if dark else "light"
    )
    page = await context.new_page()
    await page.set_content(html)
    await page.screenshot(path=path, full_page=True)
    await context.close()


async def main() -> None:
    """Draws them all."""
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for name, mail in mails():
            for dark in (False, True):
                path = IMAGES / f"mail-{name}-{'dark' if dark else 'light'}.png"
                await photograph(browser, mail.html, path, dark=dark, width=640)
        phone = render.moments(NORA, letter.write(DAY), "daily", LINKS, NOW)
        await photograph(browser, phone.html, IMAGES / "mail-phone-light.png", dark=False, width=360)
        text = f"<body style='margin:16px;background:#111;color:#ddd'><pre>{escape(phone.text)}</pre>"
        await photograph(browser, text, IMAGES / "mail-terminal.png", dark=True, width=700)
        for reader, name, dark in (
            (NORA, "mail-unsubscribe.png", False),
            (LUC, "mail-unsubscribe-french-dark.png", True),
        ):
            page = render.page(reader, "stop", "unsubscribe", "page_stop_button")
            await photograph(browser, page, IMAGES / name, dark=dark, width=640)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
