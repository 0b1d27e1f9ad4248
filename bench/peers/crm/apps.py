"""The application."""

from django.apps import AppConfig


class Crm(AppConfig):
    """Users follow leads."""

    name = "crm"

    def ready(self) -> None:
        """Tells django-activity-stream."""
        from actstream import registry
        from django.contrib.auth import get_user_model

        registry.register(self.get_model("Lead"), get_user_model())
