"""A small CRM in Django, with a feed by Django REST framework, by django-activity-stream, and as RSS."""
