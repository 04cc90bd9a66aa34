"""The demo shop's orders and what is done with them. All of it is made up; nothing is kept across a restart.

The last digit of an order's number says how it stands, so that every way through the flows can be tried: 0 is
unknown, 1 and 2 are being packed, 3 to 6 are on their way, 7 and 8 were delivered, 9 came back. Orders of before
October 2026 are too old to be returned.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

_ORDER = re.compile(r"20\d{6}-\d{3}[1-9]", re.ASCII)
_FIRST_RETURNABLE = "20261001"
_STATUS = {1: "packing", 2: "packing", 3: "sent", 4: "sent", 5: "sent", 6: "sent", 9: "returned"}


def status(payload: dict[str, Any]) -> dict[str, Any]:
    """How an order stands."""
    order = str(payload.get("order"))
    ordered = _ordered(order)
    if ordered is None:
        return {"found": False}
    stands = _STATUS.get(int(order[-1]), "delivered")
    days = {"packing": 1, "sent": 3, "delivered": 2, "returned": 6}[stands]
    return {
        "found": True,
        "order": {
            "status": stands,
            "tracking": f"XE{order.replace('-', '')[2:]}",
            "day": (ordered + datetime.timedelta(days)).isoformat(),
        },
    }


def send_back(payload: dict[str, Any]) -> dict[str, Any]:
    """Book a return."""
    order = str(payload.get("order"))
    if _ordered(order) is None:
        return {"event": "unknown_order"}
    if order[:8] < _FIRST_RETURNABLE:
        return {"event": "too_late"}
    return {"number": f"R{order.replace('-', '')[4:]}", "free": payload.get("reason") in ("damaged", "wrong")}


def invoice(payload: dict[str, Any]) -> dict[str, Any]:
    """Issue an invoice; the amount is made from the order's number."""
    order = str(payload.get("order"))
    if _ordered(order) is None:
        return {"event": "unknown_order"}
    return {"number": f"F{order.replace('-', '')[4:]}", "amount": int(order[-4:]) % 977 + 20.5}


def complaint(payload: dict[str, Any], number: int) -> dict[str, Any]:
    """Note a complaint."""
    return {"number": f"C{number:06d}"}


def _ordered(order: str) -> datetime.date | None:
    if not _ORDER.fullmatch(order):
        return None
    try:
        return datetime.date(int(order[:4]), int(order[4:6]), int(order[6:8]))
    except ValueError:
        return None
