"""The cards of a lead and its account, wherever a row of the database is shown with them.

Owns which columns they are made of and under which names: ``CARDS`` of lead ``l`` and account ``a`` in a statement, and
the two functions for its rows.
"""

from typing import Any

from leadfeed_api.feed.schemas import AccountCard, LeadCard

CARDS = "l.lead_id, l.name AS lead_name, l.title, l.starred, l.stars, l.flames, a.account_id, a.name AS account_name"


def lead_card(row: Any) -> LeadCard:
    """Intentional: constructed, not validated; the columns' types are the schema's."""
    return LeadCard.model_construct(
        id=row["lead_id"],
        name=row["lead_name"],
        title=row["title"],
        starred=row["starred"],
        stars=row["stars"],
        flames=row["flames"],
    )


def account_card(row: Any) -> AccountCard | None:
    """The same of the account, if the lead has one."""
    if row["account_id"] is None:
        return None
    return AccountCard.model_construct(id=row["account_id"], name=row["account_name"])
