"""RFC 6455 by the Autobahn suite, as kosoku runs it, against the echo route."""

from __future__ import annotations

import kosoku

from support.delivery import on_uvloop, serve_edge


@on_uvloop
async def test_autobahn_sections_1_to_7_and_10() -> None:
    """No failure; that a close takes its time is informational."""
    async with serve_edge(echo_route=True) as edge:
        # Raises on what is worse than informational.
        results = await kosoku.run_fuzzingclient(
            f"ws://127.0.0.1:{edge.port}/echo",
            cases=[f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 10)],
            concurrency=8,
        )
    assert len(results) > 240
    bad = {
        result.case_id: (result.behavior.value, result.behavior_close.value)
        for result in results
        if result.behavior.value not in ("OK", "NON-STRICT", "INFORMATIONAL")
        or result.behavior_close.value not in ("OK", "INFORMATIONAL")
    }
    assert bad == {}
