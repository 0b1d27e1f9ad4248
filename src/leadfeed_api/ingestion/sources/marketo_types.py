"""What each Marketo activity type means to a sales rep: the packaged table, with an operator's table laid over it.

Owns the form of that table (``marketo_activities.toml``) and its checks, and how a description is filled in from an
activity's attributes. Knows nothing of files of activities: attributes come as a mapping.
"""

import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from leadfeed_api.faults import why
from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.fields import clean
from leadfeed_api.ingestion.sources.phrasing import FIELD, first_readable

MOMENTS = get_args(MomentType)
Text = Annotated[str, StringConstraints(min_length=1)]


class UnusableTypes(Exception):
    """The operator's table of activity types cannot be used: the message names the file and the entry."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ActivityType(_Entry):
    """One ``[activity.ID]`` of the table; ``moment`` is ``skip`` for what is no interesting moment."""

    name: Text
    moment: Literal[MomentType, "skip"] = "skip"
    moment_from: Text | None = None
    descriptions: list[Text] = []
    url: list[Text] = []
    occurred_at: list[Text] = Field(["activity_date"], min_length=1)

    @model_validator(mode="after")
    def _last_text_always_fits(self) -> Self:
        if self.is_moment and (not self.descriptions or FIELD.search(self.descriptions[-1])):
            raise ValueError("a moment needs descriptions, the last of them without {attributes}")
        return self

    @property
    def is_moment(self) -> bool:
        """Whether any activity of this type goes into a feed."""
        return self.moment != "skip" or self.moment_from is not None

    def moment_of(self, attributes: Mapping[str, str]) -> str | None:
        """``web``, ``email`` or ``milestone``; None when the activity names a type that is none of them."""
        if self.moment_from is not None:
            named = attributes.get(self.moment_from, "").strip().lower()
            if named in MOMENTS:
                return named
        return None if self.moment == "skip" else self.moment

    def describe(self, attributes: Mapping[str, str]) -> str:
        """The first text whose attributes are all readable, as one clean line of at most 1,000 characters."""
        found = first_readable(self.descriptions, attributes)
        if found is None:
            raise AssertionError("the last text needs no attributes")
        return found


class Scanner(_Entry):
    """One ``[[scanner]]``: a sign in the user agent, and what it tells."""

    reason: Text
    contains: Text | None = None
    equals: Text | None = None
    activities: list[int] = []

    @model_validator(mode="after")
    def _one_sign(self) -> Self:
        if (self.contains is None) == (self.equals is None):
            raise ValueError("a scanner has either `contains` or `equals`")
        return self

    def recognises(self, activity: int, user_agent: str) -> bool:
        """Whether this sign is in the user agent of an activity of that type."""
        if self.activities and activity not in self.activities:
            return False
        return user_agent == self.equals if self.contains is None else self.contains.lower() in user_agent.lower()


class ActivityTypes(_Entry):
    """The whole table."""

    activity: dict[str, ActivityType]
    scanner: list[Scanner] = []

    @cached_property
    def by_id(self) -> dict[int, ActivityType]:
        """Activity types by Marketo's number."""
        return {int(number): activity for number, activity in self.activity.items()}

    @model_validator(mode="after")
    def _ids_are_numbers(self) -> Self:
        if not all(number.isascii() and number.isdecimal() for number in self.activity):
            raise ValueError("[activity.ID]: ID is Marketo's number of the activity type")
        return self

    def name_of(self, number: int) -> str:
        """What to call an activity type: its name, or its number when the table has none."""
        known = self.by_id.get(number)
        return known.name if known else f"activity type {number}"

    def bot(self, number: int, attributes: Mapping[str, str]) -> str | None:
        """Why this activity was likely a machine, in words; None when nothing says so.

        Marketo's own finding ("Is Bot Activity") is final, both ways; only where it says nothing is the user agent
        compared with the known signs. Marketo's pattern (its documentation names a match with the IAB's list, and
        more than two activities within a second) is passed on in its own words.
        """
        finding = (attributes.get("is_bot_activity") or attributes.get("bot_activity") or "").strip().lower()
        if finding in {"true", "1", "yes"}:
            pattern = clean(attributes.get("bot_activity_pattern", ""))
            known = pattern and pattern.upper() != "N/A"
            return f"marked as a bot by Marketo ({pattern[:100]})" if known else "marked as a bot by Marketo"
        user_agent = clean(attributes.get("user_agent", ""))
        if finding or not user_agent:
            return None
        return next((sign.reason for sign in self.scanner if sign.recognises(number, user_agent)), None)


def packaged_types() -> ActivityTypes:
    """The table that comes with the package."""
    return ActivityTypes.model_validate(_packaged())


def operator_types(path: Path) -> ActivityTypes:
    """The packaged table with an operator's file laid over it, key by key; their scanners are asked first.

    Raises :class:`UnusableTypes`.
    """
    packaged = _packaged()
    try:
        given = tomllib.loads(path.read_text("utf-8-sig"))
        for number, entry in given.get("activity", {}).items():
            given["activity"][number] = {**packaged["activity"].get(number, {}), **entry}
        merged = {
            **given,
            "activity": {**packaged["activity"], **given.get("activity", {})},
            "scanner": [*given.get("scanner", []), *packaged["scanner"]],
        }
        return ActivityTypes.model_validate(merged)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UnusableTypes(f"{path}: {where}: {why(first)}") from None
    except (AttributeError, TypeError):
        raise UnusableTypes(f"{path}: expected [activity.ID] tables and [[scanner]] entries") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnusableTypes(f"{path}: {error}") from None


def _packaged() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "marketo_activities.toml").read_text("utf-8"))
