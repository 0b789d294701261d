"""The instructions cache: a lifetime, one query for many askers, errors never kept."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from service.calls import Lookup
from service.instructions import InstructionsCache

LIFETIME_S = 10.0


class Source:
    """Instructions in a dict; counts the queries, and can hold them up or fail."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.asked: list[str] = []
        self.broken = False
        self.gate: asyncio.Event | None = None

    async def fetch(self, tenant_id: str) -> str | None:
        self.asked.append(tenant_id)
        text = self.texts.get(tenant_id)
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return text


async def until_asked(source: Source, queries: int) -> None:
    """Let the tasks run until that many queries are under way."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(source.asked) == queries


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache_of(source: Source, time: Callable[[], float], **options: int) -> InstructionsCache:
    return InstructionsCache(source, LIFETIME_S, monotonic=time, **options)


@pytest.mark.parametrize(("text", "found"), [("hello", Lookup.FOUND), (None, Lookup.MISSING)])
async def test_a_result_is_kept_for_its_lifetime(text: str | None, found: Lookup) -> None:
    source, time = Source(), Time()
    if text is not None:
        source.texts["acme"] = text
    cache = cache_of(source, time)
    assert cache.cached("acme") is None
    for now, queries in ((0.0, 1), (9.99, 1), (10.0, 2), (19.99, 2), (20.0, 3)):
        time.now = now
        assert await cache.lookup("acme") is found
        assert cache.cached("acme") is found
        assert len(source.asked) == queries


async def test_without_a_lifetime_every_lookup_asks() -> None:
    source = Source()
    cache = InstructionsCache(source, 0)
    for _ in range(3):
        assert await cache.lookup("acme") is Lookup.MISSING
    assert len(source.asked) == 3


async def test_an_error_is_told_and_not_kept() -> None:
    source = Source()
    source.texts["acme"] = "hello"
    source.broken = True
    cache = cache_of(source, Time())
    assert await cache.lookup("acme") is Lookup.ERROR
    assert cache.cached("acme") is None
    source.broken = False
    assert await cache.lookup("acme") is Lookup.FOUND


async def test_lookups_at_the_same_time_share_a_query() -> None:
    source = Source()
    source.gate = asyncio.Event()
    cache = cache_of(source, Time())
    asking = [
        asyncio.create_task(cache.lookup(name)) for name in ("acme", "acme", "globex", "acme")
    ]
    await until_asked(source, 2)
    asking[0].cancel()
    source.gate.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [Lookup.MISSING] * 3
    assert sorted(source.asked) == ["acme", "globex"]


async def test_a_change_overtakes_a_query_under_way() -> None:
    source = Source()
    source.gate = asyncio.Event()
    cache = cache_of(source, Time())
    early = asyncio.create_task(cache.lookup("acme"))
    await until_asked(source, 1)
    source.texts["acme"] = "new"
    cache.forget("acme")
    late = asyncio.create_task(cache.lookup("acme"))
    await until_asked(source, 2)
    source.gate.set()
    assert await early is Lookup.MISSING
    assert await late is Lookup.FOUND
    assert cache.cached("acme") is Lookup.FOUND
    assert len(source.asked) == 2


async def test_the_number_of_kept_results_is_bounded() -> None:
    source = Source()
    cache = cache_of(source, Time(), max_tenants=2)
    for name in ("a", "b", "c"):
        await cache.lookup(name)
    assert [cache.cached(name) for name in "abc"] == [None, Lookup.MISSING, Lookup.MISSING]


steps = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "wait", "look"]), st.sampled_from("ab")),
    max_size=30,
)


@given(steps)
def test_with_changes_announced_a_lookup_is_always_true(plan: list[tuple[str, str]]) -> None:
    async def run() -> None:
        source, time = Source(), Time()
        cache = cache_of(source, time)
        for action, tenant_id in plan:
            if action == "put":
                source.texts[tenant_id] = "text"
                cache.forget(tenant_id)
            elif action == "remove":
                source.texts.pop(tenant_id, None)
                cache.forget(tenant_id)
            elif action == "wait":
                time.now += 4
            else:
                expected = Lookup.FOUND if tenant_id in source.texts else Lookup.MISSING
                assert await cache.lookup(tenant_id) is expected

    asyncio.run(run())
