"""What an address needs of whoever asks: said once for each guard in ``auth``, asked there, told in the API's document.

Pure. Knows neither how a credential is read nor which address needs what: routes say that by the guard they name.
"""

from dataclasses import dataclass

from leadfeed_api.errors import InsufficientScope, NoUser, UnknownUser
from leadfeed_api.organizations.identity import Caller, Scope


@dataclass(frozen=True, slots=True)
class Need:
    """An API key of ``scope``, or a user token: of role ``admin``, or, where it is about a user's ``own``, of any.

    What is a user's own needs a user: a key must name one. ``stream``: a stream token is enough.
    """

    scope: Scope
    own: bool = False
    stream: bool = False

    def __str__(self) -> str:
        """As in "This address needs …"."""
        if not self.own:
            return f"an API key of scope `{self.scope}`, or a user token of role `admin`"
        tokens = "a user token, a stream token" if self.stream else "a user token"
        return f"{tokens}, or an API key of scope `{self.scope}` that names a user in `Leadfeed-User`"

    def demand(self, who: Caller) -> Caller:
        """The caller, if they meet it. Raises ``NoUser``, ``UnknownUser`` or ``InsufficientScope``."""
        if self.own and who.user_id is None:
            raise NoUser if who.key_hash else UnknownUser
        if who.may(self.scope) or (self.own and not who.key_hash):
            return who
        challenge = f'{InsufficientScope.headers["WWW-Authenticate"]}, scope="{self.scope}"'  # RFC 6750, section 3
        raise InsufficientScope(
            f"{InsufficientScope.title()}. This address needs {self}.", headers={"WWW-Authenticate": challenge}
        )
