"""What an import of Marketo exports did, counted and told. Pure: knows neither files nor the database."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SHOWN = 5  # examples: enough to see a pattern


@dataclass(slots=True)
class Tally:
    """Counts of rows and of what became of them.

    ``leads`` counts created, updated and unchanged ones of lead files; ``leads_made`` those made because a moment
    named them, ``unowned`` new ones of both kinds whom nobody owns.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    unreadable_first: list[str] = field(default_factory=list)
    leads: Counter[str] = field(default_factory=Counter)
    leads_made: int = 0
    leads_rejected: Counter[str] = field(default_factory=Counter)
    unknown_owners: int = 0
    unowned: int = 0
    unknown_leads: dict[str, int] = field(default_factory=dict)

    def could_not_read(self, where: str, reason: str) -> None:
        """A row was no record."""
        self.unreadable += 1
        if len(self.unreadable_first) < SHOWN:
            self.unreadable_first.append(f"{where}: {reason}")

    @property
    def rows(self) -> int:
        """Rows that could be read."""
        moments = self.accepted + self.duplicates + self.rejected.total()
        return moments + self.skipped.total() + self.leads.total() + self.leads_rejected.total()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": self.rejected.total(),
            "problems": dict(self.rejected),
            "skipped": dict(self.skipped.most_common()),
            "unreadable": {"rows": self.unreadable, "first": self.unreadable_first},
            "leads": {
                "created": self.leads["created"] + self.leads_made,
                "updated": self.leads["updated"],
                "unchanged": self.leads["unchanged"],
                "rejected": self.leads_rejected.total(),
                "problems": dict(self.leads_rejected),
                "without_known_owner": self.unknown_owners,
                "without_owner": self.unowned,
            },
            "unknown_leads": {"leads": len(self.unknown_leads), "first": list(self.unknown_leads)[:SHOWN]},
        }

    def as_text(self) -> str:
        """For people."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield "Moments"
        yield _counted(self.accepted, "recorded")
        yield _counted(self.duplicates, "recorded before")
        yield from (_counted(number, f"rejected: {problem}") for problem, number in self.rejected.most_common())
        if self.leads or self.leads_made or self.leads_rejected:
            yield "Leads"
            yield _counted(self.leads["created"] + self.leads_made, "created")
            yield _counted(self.leads["updated"], "updated")
            yield _counted(self.leads["unchanged"], "as before")
            yield from (_counted(number, f"rejected: {code}") for code, number in self.leads_rejected.most_common())
            if self.unknown_owners:
                yield _counted(self.unknown_owners, "owned by somebody unknown here: imported without an owner")
        if self.skipped:
            yield "Skipped: activities that are not interesting moments"
            yield from (_counted(number, name) for name, number in self.skipped.most_common())
        if self.unreadable:
            yield "Could not be read"
            yield _counted(self.unreadable, "rows")
            yield from (f"             {where}" for where in self.unreadable_first)
            if self.unreadable > len(self.unreadable_first):
                yield "             …"
        yield from self._about_unseen_leads()

    def _about_unseen_leads(self) -> Iterator[str]:
        """What would otherwise be a feed that stays empty in silence."""
        if self.unowned:
            yield ""
            leads, them = (
                ("1 new lead has", "it") if self.unowned == 1 else (f"{self.unowned:,} new leads have", "them")
            )
            yield f"{leads} no owner: nobody sees {them} until someone owns or watches {them}."
        known = list(self.unknown_leads)
        if known:
            examples = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
            yield ""
            leads, their = ("1 lead is", "its") if len(known) == 1 else (f"{len(known):,} leads are", "their")
            yield f"{leads} unknown to this organisation, so {their} moments were left out: {examples}"
            yield "Import or sync those leads (a lead's id must be Marketo's), or repeat with --create-missing-leads."


def _counted(number: int, what: str) -> str:
    return f"  {number:>9,}  {what}"
