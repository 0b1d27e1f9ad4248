"""a mail server in trouble, as all mail workers know it: one that loses messages is tried by one of them at a time."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE mail_server (server text PRIMARY KEY, lost_at timestamptz, next_at timestamptz, pause interval, "
        "refused smallint NOT NULL DEFAULT 0)"
    )


def downgrade() -> None:
    op.drop_table("mail_server")
