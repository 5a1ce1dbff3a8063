"""What the order desk can do: look an order up, and refund it.

The orders are a file here; put your own shop in place of it.
"""

import json
from pathlib import Path

ORDERS = Path("inputs/orders.json")
REFUNDS = Path("out/refunds.jsonl")


def find_order(order_number: str) -> dict:
    """Look up an order by its number.

    Args:
        order_number: As it stands in the confirmation, such as L-1041.
    """
    orders = json.loads(ORDERS.read_text(encoding="utf-8"))
    return orders.get(order_number) or {"found": False, "order_number": order_number}


def refund(order_number: str, amount_eur: float, reason: str) -> str:
    """Pay an amount back to the customer.

    Args:
        order_number: The order that is refunded.
        amount_eur: In euros.
        reason: In one sentence.
    """
    REFUNDS.parent.mkdir(parents=True, exist_ok=True)
    line = {"order_number": order_number, "amount_eur": amount_eur, "reason": reason}
    with REFUNDS.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return f"{amount_eur:.2f} EUR will be paid back for {order_number}"
