"""what was between two states: from when mail counts, marks of who left, a re-tiering that is asked for amid one.

Mail counts for a recipient since they agreed, for an organisation since it was last switched on. What a user has read
stays read when its lead leaves their feed and comes back.
"""

from alembic import op

from leadfeed_api.db.steps import add_column

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():  # several tables that are read together
        add_column("mail_recipient", "since", "bigint NOT NULL DEFAULT 0")
        add_column("tiering", "asked", "boolean NOT NULL DEFAULT false")
        add_column("organization", "mail_since", "bigint NOT NULL DEFAULT 0")
        op.execute(
            "CREATE TABLE IF NOT EXISTS read_mark (org_id bigint, user_id text, moment_id uuid, "
            "PRIMARY KEY (org_id, user_id, moment_id))"
        )
        op.execute("CREATE INDEX IF NOT EXISTS read_mark_by_moment ON read_mark (org_id, moment_id)")


def downgrade() -> None:
    op.drop_column("organization", "mail_since")
    op.drop_table("read_mark")
    op.drop_column("tiering", "asked")
    op.drop_column("mail_recipient", "since")
