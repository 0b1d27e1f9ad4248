"""Storing the leads of Marketo exports by sync, making good what a file cannot know.

Owns what is tried when a sync refuses a lead for want of something: a new lead without a name gets its stand-in, an
owner who is no user here is left out, a company known by its id alone is named by it. Whatever a lead or a company
already has stays where the file says nothing.
"""

from collections.abc import Sequence

from leadfeed_api.cli.marketo_tally import Tally
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.sources.marketo_rows import LeadRecord, unnamed_lead
from leadfeed_api.people.schemas import SyncResult
from leadfeed_api.people.sync import sync


async def store_leads(database: Database, org_id: int, records: Sequence[LeadRecord], tally: Tally) -> None:
    """Upserts leads and their companies, at most 1,000 of each; counts what became of them."""
    batch = _Batch(records, tally)
    accounts = [account for account in batch.accounts.values() if "name" in account]
    while batch.pending:
        sent = list(batch.pending)
        leads = [batch.pending[lead_id] for lead_id in sent]
        answer = await sync(database, org_id, {"accounts": accounts, "leads": leads})
        verdicts = [result for result in answer.results if result.kind == "leads"]
        nameless = {account_id for account_id, account in batch.accounts.items() if "name" not in account}
        for lead_id, verdict in zip(sent, verdicts, strict=True):
            if not batch.mend(lead_id, verdict, nameless):
                batch.settle(lead_id, verdict)
        accounts = [batch.accounts[account_id] for account_id in nameless if "name" in batch.accounts[account_id]]


async def make_leads(database: Database, org_id: int, lead_ids: Sequence[str], tally: Tally) -> None:
    """Makes leads of whom nothing but Marketo's id is known; those that exist stay as they are."""
    # Intentional: without a name first. A lead that came in meanwhile would lose its own name to our stand-in.
    missing = [LeadRecord({"id": lead_id}, None, unnamed_lead(lead_id)) for lead_id in dict.fromkeys(lead_ids)]
    made = Tally()
    await store_leads(database, org_id, missing, made)
    tally.leads_made += made.leads["created"]
    tally.unowned += made.unowned
    tally.leads_rejected += made.leads_rejected


class _Batch:
    """Leads not settled yet, by id, and the companies they name."""

    def __init__(self, records: Sequence[LeadRecord], tally: Tally) -> None:
        self.pending: dict[str, dict[str, str | float]] = {}
        self.accounts: dict[str, dict[str, str]] = {}
        self._stand_ins: dict[str, str] = {}
        self._tally = tally
        for record in records:
            lead_id = str(record.lead["id"])
            self.pending.setdefault(lead_id, {}).update(record.lead)
            self._stand_ins[lead_id] = record.stand_in
            if record.account:
                self.accounts.setdefault(record.account["id"], {}).update(record.account)

    def mend(self, lead_id: str, verdict: SyncResult, nameless: set[str]) -> bool:
        """Puts right what a lead was refused for, once per cause; False when there is nothing (more) to mend."""
        lead = self.pending[lead_id]
        account_id = str(lead.get("account_id"))
        if verdict.problem == "invalid-name" and "name" not in lead:
            lead["name"] = self._stand_ins[lead_id]
            return True
        if verdict.problem == "unknown-user" and lead.pop("owner_id", None) is not None:
            self._tally.unknown_owners += 1
            return True
        if verdict.problem == "unknown-account" and account_id in nameless:
            self.accounts[account_id]["name"] = account_id
            return True
        return False

    def settle(self, lead_id: str, verdict: SyncResult) -> None:
        """Counts the last word on a lead."""
        lead = self.pending.pop(lead_id)
        if verdict.status == "accepted":
            self._tally.leads[verdict.change or "unchanged"] += 1
            self._tally.unowned += verdict.change == "created" and "owner_id" not in lead
        else:
            self._tally.leads_rejected[verdict.problem or "rejected"] += 1
