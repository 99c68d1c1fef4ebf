"""The possible reactions of products and payments to a command about one order, without a database.

Each function gives every outcome that is possible: the state afterwards and the event
that is announced, if any. An outcome without an event stands for an answer that got lost,
a provider that is away, or a handler that ended as a dead letter. The suites of products and
payments hold the real services to this.
"""

from typing import NamedTuple


class Stock(NamedTuple):
    """The order's reservation at products."""

    state: str = "unknown"

    @property
    def is_kept(self) -> bool:
        return self.state in ("held", "committed")


class Money(NamedTuple):
    """The order's payment at payments; ``taken``: the provider's books have the money."""

    status: str = "unknown"
    taken: bool = False
    refund_asked: bool = False


def stock_after(stock: Stock, command: str) -> list[tuple[Stock, str | None]]:
    match command, stock.state:
        case "reserve.stock", "unknown":
            return [(Stock("held"), "stock.reserved"), (Stock("rejected"), "stock.rejected")]
        case "reserve.stock", "held" | "committed":
            return [(stock, "stock.reserved")]
        case "reserve.stock", _:
            return [(stock, "stock.rejected")]
        case "release.stock", "committed":
            return [(stock, "stock.release_failed")]
        case "release.stock", "unknown" | "held":
            return [(Stock("released"), "stock.released"), (stock, None)]
        case "release.stock", _:
            return [(stock, "stock.released")]
        case "commit.stock", "held":
            return [(Stock("committed"), None)]
        case "return.stock", "held" | "committed":
            return [(Stock("returned"), "stock.returned"), (stock, "stock.return_failed"), (stock, None)]
        case "return.stock", "returned":
            return [(stock, "stock.returned")]
        case "return.stock", _:
            return [(stock, "stock.return_failed")]
    return [(stock, None)]


def money_after(money: Money, command: str) -> list[tuple[Money, str | None]]:
    return _charged(money) if command == "process.payment" else _refunded(money)


def _charged(money: Money) -> list[tuple[Money, str | None]]:
    captured = money._replace(status="completed", taken=True)
    match money.status:
        case "unknown" | "requested":
            outcomes: list[tuple[Money, str | None]] = [
                # Also after the refund was asked for: the charge may have been on its way already.
                (captured, "payment.completed"),
                # The provider took the money, or not, and its answer was lost.
                (money._replace(status="requested", taken=True), None),
                (money._replace(status="requested"), None),
            ]
            if not money.taken:
                outcomes.append((money._replace(status="failed"), "payment.failed"))
            if money.refund_asked:
                # No new charge, with any result of an earlier attempt.
                outcomes.append((money, "payment.failed"))
            return outcomes
        case "completed":
            return [(money, "payment.completed")]
    return [(money, "payment.failed")]


def _refunded(money: Money) -> list[tuple[Money, str | None]]:
    asked = money._replace(refund_asked=True)
    match money.status:
        case "unknown":
            return [(asked._replace(status="refused"), "payment.voided")]
        case "requested" | "completed":
            done = asked._replace(status="refunded" if money.taken else "refused", taken=False)
            told = "payment.refunded" if money.taken else "payment.voided"
            return [(done, told), (asked, None), (asked, "payment.refund_failed")]
        case "refunded":
            return [(asked, "payment.refunded")]
    return [(asked, "payment.voided")]
