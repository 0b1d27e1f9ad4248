"""How an organisation wants its leads ranked: the setting ``tiers``, its defaults and what may be said.

Stands with the organisation's other settings, below whatever ranks by it. Owns shapes and defaults; docs/best-bets.md
explains them. Computes nothing.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from leadfeed_api.fields import Incoming, example

MAX_WINDOW_DAYS = 90
MAX_HIDE_DAYS = 365


def _hundredths(value: float) -> float:
    if round(value, 2) != value:
        raise PydanticCustomError("hundredths", "must have at most two decimals")
    return value


Percent = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False), AfterValidator(_hundredths)]
Cutoff = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Tier = Annotated[int, Field(ge=0, le=3)]
Source = Literal["score", "change"]


class Cut(Incoming):
    """How tiers 1, 2 and 3 are cut: by shares of the leads, recomputed every night, or at fixed values."""

    method: Literal["dynamic", "static"] = Field(description="Dynamic takes `top_percent`, static takes `at_least`.")
    source: Source | None = Field(
        None,
        description="What is ranked: the score, or its change over the window. "
        "By default stars rank the score and flames the change.",
    )
    top_percent: Annotated[list[Percent], Field(min_length=3, max_length=3)] | None = Field(
        None,
        description="Share of leads, in percent, that gets at least one, two, three: descending.",
        examples=[[50, 20, 5]],
    )
    at_least: Annotated[list[Cutoff], Field(min_length=3, max_length=3)] | None = Field(
        None, description="Lowest value for one, two, three: ascending.", examples=[[20, 50, 80]]
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        shares, numbers = self.top_percent, self.at_least
        if (shares is None, numbers is None) != (self.method == "static", self.method == "dynamic"):
            raise PydanticCustomError("one_way", "dynamic takes top_percent and static takes at_least, not the other")
        if shares is not None and not shares[0] > shares[1] > shares[2]:
            raise PydanticCustomError("descending", "the three percentages must descend, like 50, 20, 5")
        if numbers is not None and not numbers[0] < numbers[1] < numbers[2]:
            raise PydanticCustomError("ascending", "the three numbers must ascend, like 20, 50, 80")
        return self


class StarredFrom(Incoming):
    """The lowest priority that makes a best bet. More flames always rank higher, whatever the stars."""

    flames: Tier
    stars: Tier

    @model_validator(mode="after")
    def _not_everyone(self) -> Self:
        if not self.flames and not self.stars:
            raise PydanticCustomError("everyone", "must require at least one flame or one star")
        return self


class Tiers(Incoming):
    """How scores become stars and flames, in effect."""

    stars: Cut = Field(Cut(method="dynamic", source="score", top_percent=[50, 20, 5]), description="Relative score.")
    flames: Cut = Field(Cut(method="dynamic", source="change", top_percent=[30, 10, 3]), description="Urgency.")
    starred_from: StarredFrom = StarredFrom(flames=0, stars=3)
    window_days: Annotated[int, Field(ge=1, le=MAX_WINDOW_DAYS)] = Field(
        7, description="Over how many days the change of a score is measured."
    )
    hide_days: Annotated[int, Field(ge=1, le=MAX_HIDE_DAYS)] = Field(
        14, description="For how many days a best bet is hidden if its owner names no number."
    )

    @model_validator(mode="before")
    @classmethod
    def _with_sources(cls, data: Any) -> Any:
        """Fills in what each tier ranks by default, so that what is shown is complete."""
        if not isinstance(data, dict):
            return data
        usual = {"stars": "score", "flames": "change"}
        return {
            name: {**value, "source": value.get("source") or usual[name]}
            if name in usual and isinstance(value, dict)
            else value
            for name, value in data.items()
        }


class TiersPatch(Incoming):
    """Changes to the tiers. A field left out keeps its value; null restores the default."""

    model_config = example(
        stars={"method": "static", "at_least": [20, 50, 80]},
        flames={"method": "dynamic", "top_percent": [30, 10, 3]},
        starred_from={"flames": 1, "stars": 3},
        window_days=14,
    )

    stars: Cut | None = None
    flames: Cut | None = None
    starred_from: StarredFrom | None = None
    window_days: Annotated[int, Field(ge=1, le=MAX_WINDOW_DAYS)] | None = None
    hide_days: Annotated[int, Field(ge=1, le=MAX_HIDE_DAYS)] | None = None

    def onto(self, stored: dict[str, Any]) -> dict[str, Any]:
        """What is stored afterwards: only what differs from the defaults was ever said."""
        merged = {**stored, **self.model_dump(exclude_unset=True)}
        return {name: value for name, value in merged.items() if value is not None}
