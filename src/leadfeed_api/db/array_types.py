"""PostgreSQL's own array types, told to the driver, which would ask for them on each connection.

Asking is two thirds of what a new connection costs (decision 0024), and there is nothing to find out: these numbers are
the same in every database of every version (``pg_type.dat``; what somebody adds begins at 16,384).
"""

from typing import Any

from leadfeed_api.db.pool import Connection

_ELEMENTS = (
    (1000, 16, "bool"),
    (1001, 17, "bytea"),
    (1005, 21, "int2"),
    (1016, 20, "int8"),
    (1022, 701, "float8"),
    (1185, 1184, "timestamptz"),
    (2951, 2950, "uuid"),
)  # ``text[]`` the driver knows
ASKED = "SELECT " + ", ".join(f"${number}::{name}[]" for number, (_, _, name) in enumerate(_ELEMENTS, 1))
_WHAT_OTHERS_ARE = ("basetype", "basetype_name", "range_subtype", "range_subtype_name", "attrtypoids", "attrnames")


def _as_if_asked(oid: int, element: int, name: str) -> dict[str, Any]:
    """A row of what the driver asks for."""
    array = {"oid": oid, "ns": "pg_catalog", "name": f"_{name}", "kind": b"b", "elemdelim": b",", "depth": 0}
    return {**array, "elemtype": element, "elemtype_name": name, **dict.fromkeys(_WHAT_OTHERS_ARE)}


_TYPES = [_as_if_asked(*facts) for facts in _ELEMENTS]


async def make_known(connection: Connection) -> None:
    """Has a new connection know them."""
    try:
        # Intentional: the driver has no public door for this. Of a version that has another one inside, it asks.
        connection._protocol.get_settings().register_data_types(_TYPES)  # type: ignore[attr-defined] # noqa: SLF001
    except (AttributeError, LookupError, TypeError):
        await connection.prepare(ASKED)
