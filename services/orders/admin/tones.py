"""The colours of what an order can be."""

from services.orders.compensation import Undoing
from services.orders.course import Status

STATUS_TONES = {
    Status.PENDING: "info",
    Status.AWAITING_PAYMENT: "warning",
    Status.CONFIRMED: "success",
    Status.CANCELLED: "danger",
    Status.REFUNDED: "warning",
}
# The first that applies is shown of an order.
UNDOING_TONES = {
    Undoing.FAILED: "danger",
    Undoing.ASKED: "warning",
    Undoing.SETTLED: "info",
    Undoing.DONE: "success",
}
