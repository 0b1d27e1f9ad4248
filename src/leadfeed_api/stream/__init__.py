"""The feed, live: every moment once, in order, whatever breaks (docs/streaming.md is the promise).

How an event reaches a browser::

    commit ─▶ wake-up ─▶ tail ──reads the log──▶ news ──encoded once──▶ delivery ─▶ connection ─▶ lent ─▶ socket
                                                                                      │  ▲
              replay ──reads the log from where the client was─▶ conversation, while there is something to wait for

* ``tail``: one a process; woken, it reads what is new in the logs of organisations that have streams here;
* ``news``: what happened between two positions, as bytes, with who is told;
* ``replay``: the same for one user, from an older position, piece by piece;
* ``delivery``: handing the news to the streams of those who are told;
* ``connection``: one open stream's buffer, which is small, because the log is the real one;
* ``connections``: all of them, and how many there may be;
* ``response``: how it begins: registered, looked up (``arrivals``), and its first bytes sent;
* ``conversation``: what follows: replay, then live, and a farewell;
* ``protocol``: a connection that leaves HTTP, and uvicorn's part in that;
* ``lent``: writing to a socket past all of these, while nothing stands in the way;
* ``rounds``: once a second, what time brings: heartbeats, stalled clients, ended credentials, old age;
* ``leaving``: noticing that this process is to end;
* ``live``: all of these, opened and closed together.
"""
