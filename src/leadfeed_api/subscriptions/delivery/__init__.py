"""How a moment becomes a mail and gets to its reader, whatever happens on the way.

``worker`` is the loop around. In it ``noticing`` reads the log on and notes whom to tell, ``adopting`` the addresses
that became a user's; ``outbox`` makes mails of what is due and keeps what became of each; ``composing`` judges what a
mail may say by now; ``sending`` has it put into words and hands it to a carrier: ``smtp``, or the folder in
``carriers``. ``answers`` reads what a server's no is about, ``backlog`` measures what waits.
"""
