"""A client of HTTP without TLS, which is all that tests speak.

httpx2 reads the certificates of every authority in the world for each client it makes, 25 ms of work. Tests make
thousands of clients: a test of two hundred cuts would be one of reading certificates.
"""

import ssl
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def plain_client(**options: Any) -> httpx2.AsyncClient:
    """A client for ``http://`` addresses; over ``https://`` it would trust nobody."""
    return httpx2.AsyncClient(verify=_TRUSTS_NOBODY, **options)


async def figure(client: httpx2.AsyncClient, name: str, **labels: str) -> float:
    """What a service's metrics say under a name, added up over all labels that are not asked for; 0 for nothing yet.

    Counters begin where earlier tests left them: what a test moved is a difference.
    """
    stem = name.removesuffix("_total").removesuffix("_count").removesuffix("_sum")
    # The parser is slow, and an application that has answered in every way there is has thousands of lines.
    told = [line for line in (await client.get("/metrics")).text.splitlines(keepends=True) if stem in line]
    exposed = list(text_string_to_metric_families("".join(told)))
    assert name in {family.name + end for family in exposed for end in ("", "_total", "_count", "_sum")}, name
    samples = (sample for family in exposed for sample in family.samples if sample.name == name)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
