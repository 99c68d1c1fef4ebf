"""What the use cases of payments refuse."""

from atoll import errors


class PaymentNotFound(errors.NotFound):
    title = "Payment not found"
    default_code = "payment_not_found"


class InvalidPayment(errors.InvalidInput):
    default_code = "invalid_payment"


class TermsDiffer(errors.Conflict):
    """The order's payment was asked for before, with another amount, currency, method or user."""

    default_code = "terms_differ"


class NotRefundable(errors.Conflict):
    default_code = "not_refundable"


class LedgersDisagree(errors.Conflict):
    """We booked the money as taken; the provider says it never was."""

    default_code = "ledgers_disagree"
