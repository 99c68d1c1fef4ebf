"""The refusals of payments."""

from atoll import errors


class PaymentNotFound(errors.NotFound):
    title = "Payment not found"
    default_code = "payment_not_found"


class InvalidPayment(errors.InvalidInput):
    default_code = "invalid_payment"


class TermsDiffer(errors.Conflict):
    """An earlier request for the order's payment had another amount, currency, method or user."""

    default_code = "terms_differ"


class NotRefundable(errors.Conflict):
    default_code = "not_refundable"


class BooksDisagree(errors.Conflict):
    """Payments has booked a charge that the provider does not have."""

    default_code = "ledgers_disagree"
