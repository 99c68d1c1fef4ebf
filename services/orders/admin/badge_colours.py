"""Badge colours of statuses and of compensation states."""

from services.orders.compensation import CompensationState
from services.orders.state_machine import Status

STATUS_COLOURS = {
    Status.PENDING: "info",
    Status.AWAITING_PAYMENT: "warning",
    Status.CONFIRMED: "success",
    Status.CANCELLED: "danger",
    Status.REFUNDED: "warning",
}
# By urgency: the list of orders shows the first state that one of the compensations has.
COMPENSATION_COLOURS = {
    CompensationState.FAILED: "danger",
    CompensationState.ASKED: "warning",
    CompensationState.SETTLED: "info",
    CompensationState.DONE: "success",
}
