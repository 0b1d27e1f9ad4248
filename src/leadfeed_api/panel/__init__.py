"""The feed embedded: a custom element for any page, and a page that shows it."""
