"""A client of HTTP without TLS, which is all that tests speak.

httpx2 reads the certificates of every authority in the world for each client it makes, 25 ms of work. Tests make
thousands of clients: a test of two hundred cuts would be one of reading certificates.
"""

import ssl
from typing import Any

import httpx2

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def plain_client(**options: Any) -> httpx2.AsyncClient:
    """A client for ``http://`` addresses; over ``https://`` it would trust nobody."""
    return httpx2.AsyncClient(verify=_TRUSTS_NOBODY, **options)
