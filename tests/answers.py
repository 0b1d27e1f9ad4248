"""Every answer that a test is given is one that the OpenAPI document lists: whatever can be refused, is announced."""

import re

import httpx2

from addresses import Operation, operations

UNLISTED = {405, 500}  # of a method that is no operation; of a service that a test made fail


async def is_documented(answer: httpx2.Response) -> None:
    """Fails on a status, or its content type, that the operation does not list."""
    if not answer.is_error or answer.status_code in UNLISTED:
        return
    path = answer.request.url.raw_path.decode("ascii").partition("?")[0]
    method = answer.request.method.replace("HEAD", "GET")
    for operation in operations():
        if operation.method == method and matches(operation, path):
            listed = operation.document["responses"]
            assert str(answer.status_code) in listed, f"{operation} answers {answer.status_code}, not among {[*listed]}"
            content, media_type = listed[str(answer.status_code)]["content"], answer.headers["content-type"]
            assert media_type.partition(";")[0] in content, f"{operation} answers {media_type}, not among {[*content]}"


def matches(operation: Operation, path: str) -> bool:
    """Whether a path, as it was sent, is one of the operation's."""
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", operation.path), path) is not None
