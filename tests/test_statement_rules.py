"""The check on statements itself: it passes what is routed and catches what is not."""

import pytest

from statements import faults

ROUTED = [
    "SELECT l.name FROM lead l WHERE l.org_id = $1 AND l.lead_id = $2",
    "SELECT 1 FROM lead l LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id WHERE l.org_id = $1",
    "INSERT INTO watch (org_id, user_id, lead_id) SELECT org_id, $2, lead_id FROM lead WHERE org_id = $1",
    "SELECT org_id FROM api_key WHERE key_hash = $1",
    "SELECT 1",
]
BROKEN = [
    ("SELECT l.name FROM lead l WHERE l.lead_id = $2", "l has no org_id"),
    ("SELECT 1 FROM lead l JOIN account a ON a.org_id = l.org_id WHERE l.org_id = $1", "a has no org_id"),
    ("SELECT 1 FROM lead l WHERE l.org_id = $1 OR l.lead_id = $2", "l has no org_id"),
    (
        "SELECT 1 FROM lead l WHERE l.org_id = $1 AND EXISTS (SELECT FROM watch w WHERE w.lead_id = l.lead_id)",
        "w has no org_id",
    ),
    ("UPDATE lead SET name = now()::text WHERE org_id = $1", "now() in a write"),
    ("INSERT INTO account (account_id, name) VALUES ($1, $2)", "does not name org_id"),
    ("WITH gone AS (DELETE FROM watch WHERE org_id = $1 RETURNING 1) SELECT * FROM gone", "data-modifying"),
    ("DELETE FROM feed_entry e USING watch w WHERE e.org_id = $1 AND w.lead_id = e.lead_id", "w has no org_id"),
]


@pytest.mark.parametrize("text", ROUTED)
def test_a_statement_that_names_its_organisation_everywhere_passes(text: str) -> None:
    assert faults(text) == ()


@pytest.mark.parametrize(("text", "fault"), BROKEN)
def test_a_statement_that_would_ask_every_shard_is_caught(text: str, fault: str) -> None:
    assert any(fault in found for found in faults(text)), faults(text)
