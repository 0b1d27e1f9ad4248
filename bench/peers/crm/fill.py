"""``python -m crm.fill``: makes the tables and fills them with the rows that ours have; prints the users' tokens."""

import json
import os

import django
from django.core.management import call_command
from django.db import connection

TABLES = ("app_user", "account", "lead", "watch", "moment", "feed_entry")
# In place of ours: other benches have organisations of their own beside the one that is compared.
OF_ONE = "CREATE TEMPORARY VIEW {table} AS SELECT * FROM public.{table} WHERE org_id = {org_id:d}"
ROWS = """
INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined)
  SELECT u.user_id, '', false, false, true, u.name, '', '', now() FROM app_user u;
INSERT INTO crm_account (crm_id, name) SELECT a.account_id, a.name FROM account a;
INSERT INTO crm_lead (crm_id, name, title, starred, stars, flames, owner_id, account_id)
  SELECT l.lead_id, l.name, l.title, l.starred, l.stars, l.flames, u.id, a.id FROM lead l
  LEFT JOIN auth_user u ON u.username = l.owner_id LEFT JOIN crm_account a ON a.crm_id = l.account_id;
INSERT INTO crm_watch (user_id, lead_id)
  SELECT u.id, l.id FROM watch w JOIN auth_user u ON u.username = w.user_id
  JOIN crm_lead l ON l.crm_id = w.lead_id;
INSERT INTO crm_moment (id, lead_id, type, description, occurred_at, url, source, external_id, bot)
  SELECT m.moment_id, l.id, m.type, m.description, m.occurred_at, m.url, m.source, m.external_id, m.bot FROM moment m
  JOIN crm_lead l ON l.crm_id = m.lead_id;
INSERT INTO crm_entry (user_id, moment_id, occurred_at, read)
  SELECT u.id, e.moment_id, e.occurred_at, e.read FROM feed_entry e JOIN auth_user u ON u.username = e.user_id;
INSERT INTO actstream_action (actor_content_type_id, actor_object_id, verb, description, timestamp, public)
  SELECT t.id, m.lead_id, m.type, m.description, m.occurred_at, true FROM crm_moment m, django_content_type t
  WHERE t.app_label = 'crm' AND t.model = 'lead';
INSERT INTO actstream_follow (user_id, content_type_id, object_id, actor_only, flag, started)
  SELECT f.user_id, t.id, f.lead_id, true, '', now() FROM (
    SELECT owner_id AS user_id, id AS lead_id FROM crm_lead WHERE owner_id IS NOT NULL
    UNION SELECT user_id, lead_id FROM crm_watch) f, django_content_type t
  WHERE t.app_label = 'crm' AND t.model = 'lead';
"""


def main() -> None:
    """Everything at once."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
    django.setup()
    from django.contrib.auth import get_user_model
    from rest_framework.authtoken.models import Token

    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA peers")
        call_command("migrate", verbosity=0)
        call_command("migrate", run_syncdb=True, verbosity=0)  # the crm has no migrations, and needs the others' tables
        for table in TABLES:
            cursor.execute(OF_ONE.format(table=table, org_id=int(os.environ["PEERS_ORGANIZATION"])))
        cursor.execute(ROWS)
        cursor.execute("VACUUM ANALYZE")
    users = get_user_model().objects.all()
    made = {user.username: {"id": user.pk, "token": Token.objects.create(user=user).key} for user in users}
    print(json.dumps(made))


if __name__ == "__main__":
    main()
