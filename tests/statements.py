"""Every statement the suite executes, parsed by PostgreSQL's own grammar and held to the rules of distribution.

A statement that does not name its organisation on each table (``table.org_id = $n``) would ask every shard; on one
PostgreSQL nothing shows it, so this does. The exceptions are few and each says why.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import asyncpg
import pytest
from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType
from pglast.visitors import Visitor

from leadfeed_api.db import mail_tables  # noqa: F401  its tables join the metadata
from leadfeed_api.db.tables import Table

BY_A_TEST = "/* by a test */"
EXCEPTIONS = {
    "api_key": ("key_hash", "a key is how the organisation is found, so it is looked up by its hash first"),
    "feed_link": ("token_hash", "a link is how the organisation is found, so it is looked up by its hash first"),
}
POLL = "the poll of the organisations that have streams here: one statement, no lock, at most once a second"
RETIER = "the scan for organisations whose re-tiering is due: no lock, every few seconds, and a claim for each"
UPKEEP = "the hourly upkeep of every organisation: one statement, no lock, then one organisation at a time"
MAIL = "the mail worker's look for organisations with something due: no lock, once a second, then a claim for each"
MAIL_BACKLOG = "the gauges of what waits to be mailed, over all organisations: no lock, every ten seconds"
# Statements over several organisations, each with its reason; matched by how they begin.
WIDE = {
    "SELECT org_id, position FROM organization WHERE org_id = ANY": POLL,
    "SELECT org_id FROM organization ORDER BY org_id": UPKEEP,
    "SELECT t.org_id FROM tiering t JOIN organization o ON o.org_id = t.org_id WHERE t.due_at <=": RETIER,
    "SELECT d.org_id FROM mail_reader d JOIN organization o ON o.org_id = d.org_id WHERE o.position > d.position": MAIL,
    "SELECT w.mails, w.oldest, n.unread FROM (SELECT count(*) AS mails, min(q.created_at) AS oldest": MAIL_BACKLOG,
}
# What no request asked for: those, and the first statistics of a table that has grown.
BY_ITSELF = (*WIDE, "ANALYZE (SKIP_LOCKED)")
VOLATILE = {"now", "clock_timestamp", "statement_timestamp", "random", "gen_random_uuid", "set_config"}
SHARED = {"mail_server"}  # no organisation's: a row while the server of all is in trouble, and no statement joins it
TABLES = frozenset(Table.metadata.tables) - SHARED


class Statements:
    """The texts executed while a test runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.executed: list[str] = []
        prepare = asyncpg.connection.Connection._get_statement  # type: ignore[attr-defined]  # private, and the one door
        simple = asyncpg.connection.Connection.execute

        async def noted(connection: Any, query: str, *args: Any, **kwargs: Any) -> Any:
            self.executed.append(query)
            return await prepare(connection, query, *args, **kwargs)

        async def executed(connection: Any, query: str, *args: Any, **kwargs: Any) -> Any:
            if not args:
                self.executed.append(query)
            return await simple(connection, query, *args, **kwargs)

        monkeypatch.setattr(asyncpg.connection.Connection, "_get_statement", noted)
        monkeypatch.setattr(asyncpg.connection.Connection, "execute", executed)

    def of_tables(self) -> list[str]:
        """Those that touch a table of ours, in order; without what a service does by itself, at any time."""
        return [text for text in self.executed if tables_of(text) and not _compact(text).startswith(BY_ITSELF)]

    def verify(self) -> None:
        """Fails on a statement that breaks a rule."""
        broken = {text: found for text in set(self.executed) if (found := faults(text))}
        assert not broken, "\n".join(f"{found}\n  in: {text}" for text, found in broken.items())


def _compact(text: str) -> str:
    return " ".join(text.split())


@cache
def tables_of(text: str) -> frozenset[str]:
    """Our tables that a statement names."""
    if not any(table in text for table in TABLES):
        return frozenset()
    return frozenset(str(node.relname) for node in _nodes(parse_sql(text), ast.RangeVar)) & TABLES


@cache
def faults(text: str) -> tuple[str, ...]:
    """What is wrong with a statement; nothing for one that touches none of our tables."""
    if text.startswith(BY_A_TEST) or _compact(text).startswith(tuple(WIDE)) or not tables_of(text):
        return ()
    found: list[str] = []
    for raw in parse_sql(text):
        statement = raw.stmt
        if isinstance(statement, ast.MergeStmt):
            found.append("MERGE does not run distributed")
        if not isinstance(statement, ast.SelectStmt):
            called = {node.funcname[-1].sval for node in _nodes(statement, ast.FuncCall)}
            found += [f"{name}() in a write: pass the value in" for name in sorted(called & VOLATILE)]
            found += ["a current time in a write: pass it in"] * bool(list(_nodes(statement, ast.SQLValueFunction)))
        for query in _nodes(statement, ast.CommonTableExpr):
            if not isinstance(query.ctequery, ast.SelectStmt):
                found.append("a data-modifying WITH fails on Citus")
        for node in _queries(statement):
            found += _unrouted(node)
    return tuple(found)


def _unrouted(query: Any) -> Iterator[str]:
    """Tables of one query level without their own ``org_id = $n`` among its AND-ed conditions."""
    tables = list(_tables_here(query))
    routed = {qualifier for condition in _conditions(query) for qualifier in _routes(condition)}
    for table in tables:
        name = table.alias.aliasname if table.alias else table.relname
        column, _reason = EXCEPTIONS.get(table.relname, (None, None))
        wanted = {(name, "org_id"), (name, column)}
        if len(tables) == 1:
            wanted |= {(None, "org_id"), (None, column)}
        if table.relname in TABLES and not wanted & routed:
            yield f"{name} has no org_id = $n of its own"
    if isinstance(query, ast.InsertStmt):
        into: Any = query.relation
        if into.relname in TABLES and "org_id" not in [column.name for column in query.cols or ()]:
            yield f"an insert into {into.relname} does not name org_id"


def _tables_here(query: Any) -> Iterator[Any]:
    sources = [*(getattr(query, "fromClause", None) or ()), *(getattr(query, "usingClause", None) or ())]
    if isinstance(query, ast.UpdateStmt | ast.DeleteStmt):
        sources.append(query.relation)
    while sources:
        source = sources.pop()
        if isinstance(source, ast.RangeVar):
            yield source
        elif isinstance(source, ast.JoinExpr):
            sources += [source.larg, source.rarg]


def _conditions(query: Any) -> Iterator[Any]:
    waiting = [getattr(query, "whereClause", None)]
    sources = [*(getattr(query, "fromClause", None) or ()), *(getattr(query, "usingClause", None) or ())]
    while sources:
        source = sources.pop()
        if isinstance(source, ast.JoinExpr):
            sources += [source.larg, source.rarg]
            waiting.append(source.quals)
    while waiting:
        condition: Any = waiting.pop()
        if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
            waiting += condition.args or ()
        elif condition is not None:
            yield condition


def _routes(condition: Any) -> Iterator[tuple[str | None, str]]:
    """(table, column) of ``table.column = $n`` and of ``table.column = $n::type``."""
    if not isinstance(condition, ast.A_Expr) or condition.kind != A_Expr_Kind.AEXPR_OP:
        return
    operator: Any = condition.name
    left: Any = condition.lexpr
    right = condition.rexpr.arg if isinstance(condition.rexpr, ast.TypeCast) else condition.rexpr
    if operator[0].sval == "=" and isinstance(left, ast.ColumnRef) and isinstance(right, ast.ParamRef):
        names: list[str] = [field.sval for field in left.fields or ()]
        yield (names[0] if len(names) > 1 else None, names[-1])


def _queries(statement: Any) -> Iterator[Any]:
    for kind in (ast.SelectStmt, ast.UpdateStmt, ast.DeleteStmt, ast.InsertStmt):
        yield from _nodes(statement, kind)


def _nodes(tree: Any, kind: type) -> Iterator[Any]:
    found: list[Any] = []

    class Collector(Visitor):
        def visit(self, _ancestors: Any, node: Any) -> None:
            if isinstance(node, kind):
                found.append(node)

    Collector()(tree)
    return iter(found)
