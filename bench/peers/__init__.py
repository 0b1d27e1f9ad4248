"""What others have, on the same rows: Django REST framework, django-activity-stream, Django's feeds, PostGraphile.

Each is set up as a good engineer of that framework would, in a natural schema of its own (``crm``), with an inbox like
ours, and runs in one process of its usual server. What they need is installed beside them, by ``make bench``.
"""
