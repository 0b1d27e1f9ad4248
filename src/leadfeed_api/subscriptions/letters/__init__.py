"""What a mail says, without a database and without a server: values in, bytes out.

``letter`` chooses what is told and in which order, ``wording`` owns every sentence in each language, ``render`` fills
the templates with both, ``message`` puts the headers on.
"""
