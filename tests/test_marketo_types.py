"""The table of Marketo's activity types: readable names, signs of machines, and an operator's own entries."""

import csv
import io
from pathlib import Path

import pytest

from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.sources.marketo import NotInteresting
from leadfeed_api.ingestion.sources.marketo_types import UnusableTypes, operator_types, packaged_types
from leadfeed_api.ingestion.sources.phrasing import presentable
from marketo_exports import BULK, activity, bulk, only_moment, read


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Autumn news", "Autumn news"),
        ("WBN - 2020-04-23 - Webinar.01c - Invite 3", "WBN - 2020-04-23 - Webinar.01c - Invite 3"),
        ("https://www.initech.example/pricing/?utm_source=mail", "initech.example/pricing"),
        ("A001BBD75FB31A039ED239E69E331FDA", None),
        ("a001bbd75fb31a039ed239e69e331fda.1fee90fa8f4fc63c254b33f0bfd681ba", None),
        ("0193a6d1-7b1c-7cc1-9f0e-3f5b1c2d4e5f", None),
        ("1810", None),
        ("31", "31"),
        ("", None),
        (None, None),
        ("Facade", "Facade"),
    ],
)
def test_names_no_person_can_read_are_not_shown(value: str | None, shown: str | None) -> None:
    assert presentable(value) == shown


GMAIL_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
GOOGLE_PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.mark.parametrize(
    ("number", "attributes", "bot"),
    [
        (10, {"Is Bot Activity": True, "Bot Activity Pattern": "Proximity"}, "marked as a bot by Marketo (Proximity)"),
        (11, {"Is Bot Activity": "true", "Bot Activity Pattern": "N/A"}, "marked as a bot by Marketo"),
        (10, {"Is Bot Activity": False, "User Agent": "Barracuda Sentinel (EE)"}, None),
        (11, {"User Agent": "Barracuda Sentinel (EE)"}, "likely a mail scanner (Barracuda)"),
        (10, {"User Agent": GMAIL_PREFETCH}, "likely automatic: Gmail loads images before it shows the message"),
        (10, {"User Agent": GOOGLE_PROXY}, None),
        (
            10,
            {"User Agent": "Mozilla/5.0"},
            "likely automatic: Apple Mail loads images whether or not the message is read",
        ),
        (11, {"User Agent": "Mozilla/5.0"}, None),
        (10, {"User Agent": "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"}, None),
        (11, {"User Agent": "Mozilla/5.0 (Linux; Android 10; CUBOT X18) AppleWebKit/537.36"}, None),
        (10, {}, None),
    ],
)
def test_machines_are_labelled_only_where_something_says_so(
    tmp_path: Path, number: int, attributes: dict[str, object], bot: str | None
) -> None:
    assert only_moment(bulk(tmp_path, activity(number, "News", attributes))).bot == bot


def test_an_operators_table_is_laid_over_the_packaged_one(tmp_path: Path) -> None:
    table = tmp_path / "types.toml"
    table.write_text(
        """
        [activity.100042]
        name = "Attend Webinar"
        moment = "milestone"
        descriptions = ["Attended “{primary_attribute_value}” for {minutes} minutes", "Attended a webinar"]
        url = ["recording"]
        [activity.10]
        moment = "skip"
        [activity.46]
        moment = "milestone"
        [activity.11]
        descriptions = ["Clicked!"]
        [[scanner]]
        contains = "acme"
        reason = "our own link checker"
        """
    )
    path = tmp_path / "export.csv"
    buffer = io.StringIO()
    csv.writer(buffer).writerows(
        [
            BULK,
            activity(100042, "Autumn webinar", '{"Minutes": 31, "Recording": "https://initech.example/r"}'),
            activity(100042, "Autumn webinar"),
            activity(10, "News"),
            activity(46, "Smoke signal", '{"Description": "Saw smoke"}'),
            activity(11, "News", '{"User Agent": "ACME checker"}'),
            activity(2, "Demo"),
        ]
    )
    path.write_text(buffer.getvalue())
    attended, without, opened, smoke, clicked, form = read(path, operator_types(table))
    assert isinstance(attended, Candidate)
    assert (attended.description, attended.url) == (
        "Attended “Autumn webinar” for 31 minutes",
        "https://initech.example/r",
    )
    assert isinstance(without, Candidate)
    assert without.description == "Attended a webinar"
    assert opened == NotInteresting(4, "Open Email")
    assert isinstance(smoke, Candidate)
    assert smoke.type == "milestone"
    assert isinstance(clicked, Candidate)
    assert (clicked.description, clicked.bot) == ("Clicked!", "our own link checker")
    assert isinstance(form, Candidate)


def test_an_operators_signs_come_before_the_packaged_ones_and_their_file_may_be_notepads(tmp_path: Path) -> None:
    table = tmp_path / "types.toml"
    table.write_text('[[scanner]]\ncontains = "barracuda"\nreason = "our own gateway"\n', "utf-8-sig")
    clicked = {"user_agent": "Barracuda Sentinel (EE)"}

    assert packaged_types().bot(11, clicked) == "likely a mail scanner (Barracuda)"
    assert operator_types(table).bot(11, clicked) == "our own gateway"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("[activity.x]\nname='X'", "number of the activity type"),
        ("[activity.5]\nmoment='web'\ndescriptions=['x']", "activity.5.name"),
        ("[activity.10]\nmoment='fax'", "activity.10.moment"),
        ("[activity.10]\ndescriptions=['Opened {primary_attribute_value}']", "without {attributes}"),
        ("[activity.10]\ncolour='red'", "activity.10.colour"),
        ("[[scanner]]\nreason='x'", "`contains` or `equals`"),
        ("activity = 3", "expected [activity.ID] tables"),
        ("[activity]\n10 = 3", "expected [activity.ID] tables"),
        ("scanner = 'x'", "scanner"),
        ("not toml", "types.toml"),
    ],
)
def test_an_operators_table_that_cannot_be_used_is_one_clear_line(tmp_path: Path, table: str, complaint: str) -> None:
    path = tmp_path / "types.toml"
    path.write_text(table)
    with pytest.raises(UnusableTypes) as error:
        operator_types(path)
    assert str(error.value).startswith(str(path))
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_table_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UnusableTypes, match=r"absent\.toml"):
        operator_types(tmp_path / "absent.toml")
