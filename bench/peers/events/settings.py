"""Django's settings: no database, because what is said is not kept. That is the cheapest way it can be used."""

SECRET_KEY = "for the benches alone"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
USE_TZ = True
ROOT_URLCONF = "events.urls"
ASGI_APPLICATION = "events.asgi.application"
INSTALLED_APPS = ["django_eventstream"]
MIDDLEWARE: list[str] = []
