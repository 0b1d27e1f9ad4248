"""What is wrong with a value is said in the project's words, whatever pydantic calls it."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from leadfeed_api.best_bets.schemas import HideIn
from leadfeed_api.faults import PHRASES, why
from leadfeed_api.organizations.tier_settings import TiersPatch
from leadfeed_api.triage.schemas import ReadIn, UnreadIn

KNOWN: dict[str, Any] = {error["type"]: error.get("example_context") or {} for error in list_all_errors()}


@pytest.mark.parametrize("kind", PHRASES)
def test_every_phrase_is_of_an_error_there_is_and_needs_nothing_that_it_lacks(kind: str) -> None:
    phrase = why({"type": kind, "msg": "Input should be otherwise", "ctx": KNOWN[kind]})
    assert " should " not in phrase
    assert "{" not in phrase


@pytest.mark.parametrize(
    ("model", "value", "phrase"),
    [
        (HideIn, {"days": 366}, "must be at most 365"),
        (HideIn, {"days": 0}, "must be at least 1"),
        (HideIn, {"days": "14"}, "expected a whole number"),
        (HideIn, {"weeks": 2}, "unknown field"),
        (HideIn, [], "expected a JSON object"),
        (TiersPatch, {"stars": {"method": "dynamic", "top_percent": [100, 20, 5]}}, "must be less than 100"),
        (TiersPatch, {"stars": {"method": "often"}}, "expected 'dynamic' or 'static'"),
        (UnreadIn, {}, "is required"),
        (UnreadIn, {"ids": []}, "must not be empty"),
        (UnreadIn, {"ids": ["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"] * 1_001}, "must have at most 1,000 items"),
        (UnreadIn, {"ids": ["x"]}, "expected a UUID"),
        (ReadIn, {}, "give either ids or up_to"),
        (ReadIn, {"up_to": 7}, "expected a string"),
    ],
)
def test_a_value_is_refused_in_plain_words(model: type, value: object, phrase: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(model).validate_python(value)
    assert why(refused.value.errors()[0]) == phrase
