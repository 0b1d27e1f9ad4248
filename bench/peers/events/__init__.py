"""The smallest site that has event streams by django-eventstream: one to listen at, one to say something by."""
