import pytest

from services.orders.course import COURSE, FINAL, OPEN, Action, Event, Status, Step, next_step

UNDO_RESERVATION = (Action.RELEASE_STOCK, Action.ANNOUNCE_CANCELLED)
UNDO_PAYMENT = (Action.RELEASE_STOCK, Action.REFUND_PAYMENT, Action.ANNOUNCE_CANCELLED)

EXPECTED = {
    Status.PENDING: {
        Event.STOCK_RESERVED: (Status.AWAITING_PAYMENT, (Action.REQUEST_PAYMENT,)),
        Event.STOCK_REJECTED: (Status.CANCELLED, (Action.ANNOUNCE_CANCELLED,)),
        Event.CANCEL_REQUESTED: (Status.CANCELLED, UNDO_RESERVATION),
        Event.DEADLINE_PASSED: (Status.CANCELLED, UNDO_RESERVATION),
        Event.USER_DELETED: (Status.CANCELLED, UNDO_RESERVATION),
    },
    Status.AWAITING_PAYMENT: {
        Event.PAYMENT_COMPLETED: (Status.CONFIRMED, (Action.COMMIT_STOCK, Action.ANNOUNCE_CONFIRMED)),
        Event.PAYMENT_FAILED: (Status.CANCELLED, UNDO_RESERVATION),
        Event.CANCEL_REQUESTED: (Status.CANCELLED, UNDO_PAYMENT),
        Event.DEADLINE_PASSED: (Status.CANCELLED, UNDO_PAYMENT),
        Event.USER_DELETED: (Status.CANCELLED, UNDO_PAYMENT),
    },
    Status.CONFIRMED: {},
    Status.CANCELLED: {
        Event.STOCK_RESERVED: (Status.CANCELLED, (Action.RELEASE_STOCK,)),
        Event.PAYMENT_COMPLETED: (Status.CANCELLED, (Action.REFUND_PAYMENT,)),
    },
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("status", Status)
def test_every_event_in_every_status_does_what_the_design_says(status: Status, event: Event):
    to, actions = EXPECTED[status].get(event, (status, ()))
    assert next_step(status, event) == Step(to, actions)


@pytest.mark.parametrize("status", sorted(FINAL))
@pytest.mark.parametrize("event", Event)
def test_no_event_leads_out_of_a_final_status(status: Status, event: Event):
    assert next_step(status, event).to == status


@pytest.mark.parametrize("status", sorted(OPEN))
def test_the_deadline_ends_every_open_status(status: Status):
    assert next_step(status, Event.DEADLINE_PASSED).to == Status.CANCELLED


def test_every_cancellation_after_the_payment_was_asked_for_refunds_it_unless_it_failed():
    refunding = {
        event
        for (status, event), step in COURSE.items()
        if status == Status.AWAITING_PAYMENT
        and step.to == Status.CANCELLED
        and Action.REFUND_PAYMENT in step.actions
    }
    cancelling = {
        event
        for (status, event), step in COURSE.items()
        if status == Status.AWAITING_PAYMENT and step.to == Status.CANCELLED
    }
    assert cancelling - refunding == {Event.PAYMENT_FAILED}
