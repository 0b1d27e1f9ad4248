"""Whether a moment is what a subscription is about. Pure: values in, a verdict out.

Owns the rule that page and mail share (docs/subscriptions.md says it in words). ``feed.queries`` says the same in SQL
for ``subscribed``; a property test holds the two together.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

from leadfeed_api.feed.words import holds_words

Kind = Literal["lead", "account", "type", "description"]
Scope = Literal["owned", "feed"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a subscription asks for. ``scope`` says whose moments a type or a description may be about."""

    kind: Kind
    value: str
    scope: Scope = "owned"

    @classmethod
    def of(cls, row: Any) -> Self:
        """From a row with the columns of a subscription."""
        return cls(row["kind"], row["value"], row["scope"])


@dataclass(frozen=True, slots=True)
class Occasion:
    """A moment as it stands towards one subscriber: who it is about now, and whether they own or watch that lead."""

    lead_id: str
    account_id: str | None
    type: str
    description: str
    owned: bool
    watched: bool

    @classmethod
    def of(cls, row: Any) -> Self:
        """From a row with columns of these names."""
        return cls(row["lead_id"], row["account_id"], row["type"], row["description"], row["owned"], row["watched"])


def matches(rule: Rule, occasion: Occasion) -> bool:
    """Lead and account follow that person or company; type and description need a lead of one's own, or one's feed."""
    if rule.kind == "lead":
        return occasion.lead_id == rule.value
    if rule.kind == "account":
        return occasion.account_id == rule.value
    if not (occasion.owned or (rule.scope == "feed" and occasion.watched)):
        return False
    if rule.kind == "type":
        return occasion.type == rule.value
    return holds_words(occasion.description, rule.value)
