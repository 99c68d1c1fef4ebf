"""The status ``refunded``, and the return of the goods of an order that has it."""

from django.db import migrations, models

COURSE = """
DROP TRIGGER order_moves_along_its_course ON orders_order;
CREATE TRIGGER order_moves_along_its_course
BEFORE UPDATE OF status ON orders_order FOR EACH ROW
WHEN (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
    ('pending', 'awaiting_payment'), ('pending', 'cancelled'),
    ('awaiting_payment', 'confirmed'), ('awaiting_payment', 'cancelled'){more}
))
EXECUTE FUNCTION orders_refuse_illegal_move();
"""

BEGIN = """
CREATE OR REPLACE FUNCTION orders_check_new_compensation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    order_status text;
BEGIN
    SELECT status INTO order_status FROM orders_order WHERE id = NEW.order_id;
    IF NOT coalesce({allowed}, false) OR NEW.state <> 'asked' THEN
        RAISE check_violation USING
            MESSAGE = format('%s of order %s, which is %s, cannot begin as %s',
                             NEW.kind, NEW.order_id, order_status, NEW.state),
            CONSTRAINT = 'compensation_begins_asked_for_a_cancelled_order';
    END IF;
    RETURN NEW;
END $$;
"""
CANCELLED_ONLY = "order_status = 'cancelled'"
BY_KIND = "order_status = CASE NEW.kind WHEN 'return.stock' THEN 'refunded' ELSE 'cancelled' END"


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0004_undoing_in_the_database"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="order",
            name="order_status_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_reason_when_cancelled",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_finished_when_final",
        ),
        migrations.RemoveConstraint(
            model_name="ordercompensation",
            name="compensation_kind_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="ordertransition",
            name="order_transition_is_legal",
        ),
        migrations.RemoveConstraint(
            model_name="ordertransition",
            name="order_transition_undoes_when_cancelled",
        ),
        migrations.AlterField(
            model_name="order",
            name="status",
            field=models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("awaiting_payment", "Awaiting payment"),
                    ("confirmed", "Confirmed"),
                    ("cancelled", "Cancelled"),
                    ("refunded", "Refunded"),
                ],
                default="pending",
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="ordercompensation",
            name="ended_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("order.placed", "Order placed"),
                    ("stock.reserved", "Stock reserved"),
                    ("stock.rejected", "Stock rejected"),
                    ("payment.completed", "Payment completed"),
                    ("payment.failed", "Payment failed"),
                    ("cancel.requested", "Cancellation requested"),
                    ("deadline.passed", "Deadline passed"),
                    ("user.deleted", "Account deleted"),
                    ("stock.released", "Stock released"),
                    ("stock.release_failed", "Stock could not be released"),
                    ("release.overdue", "No answer to the release"),
                    ("release.asked_again", "Release asked for again"),
                    ("release.settled", "Release settled by hand"),
                    ("payment.refunded", "Payment refunded"),
                    ("payment.voided", "Payment voided"),
                    ("payment.refund_failed", "Payment could not be refunded"),
                    ("refund.overdue", "No answer to the refund"),
                    ("refund.asked_again", "Refund asked for again"),
                    ("refund.settled", "Refund settled by hand"),
                    ("goods.came_back", "Goods came back"),
                    ("stock.returned", "Goods returned to the stock"),
                    ("stock.return_failed", "Goods could not be returned to the stock"),
                    ("return.overdue", "No answer to the return"),
                    ("return.asked_again", "Return asked for again"),
                    ("return.settled", "Return settled by hand"),
                ],
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="ordercompensation",
            name="kind",
            field=models.CharField(
                choices=[
                    ("release.stock", "Release of the stock"),
                    ("refund.payment", "Refund of the payment"),
                    ("return.stock", "Return of the goods"),
                ],
                max_length=20,
                verbose_name="compensation",
            ),
        ),
        migrations.AlterField(
            model_name="ordertransition",
            name="event",
            field=models.CharField(
                choices=[
                    ("order.placed", "Order placed"),
                    ("stock.reserved", "Stock reserved"),
                    ("stock.rejected", "Stock rejected"),
                    ("payment.completed", "Payment completed"),
                    ("payment.failed", "Payment failed"),
                    ("cancel.requested", "Cancellation requested"),
                    ("deadline.passed", "Deadline passed"),
                    ("user.deleted", "Account deleted"),
                    ("stock.released", "Stock released"),
                    ("stock.release_failed", "Stock could not be released"),
                    ("release.overdue", "No answer to the release"),
                    ("release.asked_again", "Release asked for again"),
                    ("release.settled", "Release settled by hand"),
                    ("payment.refunded", "Payment refunded"),
                    ("payment.voided", "Payment voided"),
                    ("payment.refund_failed", "Payment could not be refunded"),
                    ("refund.overdue", "No answer to the refund"),
                    ("refund.asked_again", "Refund asked for again"),
                    ("refund.settled", "Refund settled by hand"),
                    ("goods.came_back", "Goods came back"),
                    ("stock.returned", "Goods returned to the stock"),
                    ("stock.return_failed", "Goods could not be returned to the stock"),
                    ("return.overdue", "No answer to the return"),
                    ("return.asked_again", "Return asked for again"),
                    ("return.settled", "Return settled by hand"),
                ],
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="ordertransition",
            name="from_status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("pending", "Pending"),
                    ("awaiting_payment", "Awaiting payment"),
                    ("confirmed", "Confirmed"),
                    ("cancelled", "Cancelled"),
                    ("refunded", "Refunded"),
                ],
                max_length=20,
                verbose_name="from",
            ),
        ),
        migrations.AlterField(
            model_name="ordertransition",
            name="to_status",
            field=models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("awaiting_payment", "Awaiting payment"),
                    ("confirmed", "Confirmed"),
                    ("cancelled", "Cancelled"),
                    ("refunded", "Refunded"),
                ],
                max_length=20,
                verbose_name="to",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["pending", "awaiting_payment", "confirmed", "cancelled", "refunded"])
                ),
                name="order_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason__gt", ""), ("status__in", ["cancelled", "refunded"])),
                    models.Q(
                        models.Q(("status__in", ["cancelled", "refunded"]), _negated=True), ("reason", "")
                    ),
                    _connector="OR",
                ),
                name="order_reason_when_money_back",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", False), ("status__in", ["cancelled", "confirmed", "refunded"])
                    ),
                    models.Q(
                        models.Q(("status__in", ["cancelled", "confirmed", "refunded"]), _negated=True),
                        ("finished_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="order_finished_when_final",
            ),
        ),
        migrations.AddConstraint(
            model_name="ordercompensation",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["release.stock", "refund.payment", "return.stock"])),
                name="compensation_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="ordertransition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("event", "order.placed"), ("from_status", ""), ("to_status", "pending")),
                    models.Q(
                        models.Q(("event", "order.placed"), _negated=True),
                        models.Q(
                            ("from_status", models.F("to_status")),
                            models.Q(("from_status", "pending"), ("to_status", "awaiting_payment")),
                            models.Q(("from_status", "pending"), ("to_status", "cancelled")),
                            models.Q(("from_status", "awaiting_payment"), ("to_status", "confirmed")),
                            models.Q(("from_status", "awaiting_payment"), ("to_status", "cancelled")),
                            models.Q(("from_status", "confirmed"), ("to_status", "refunded")),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="order_transition_is_legal",
            ),
        ),
        migrations.AddConstraint(
            model_name="ordertransition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("undoing", ""), ("to_status__in", ["cancelled", "refunded"]), _connector="OR"
                ),
                name="order_transition_undoes_when_money_back",
            ),
        ),
        migrations.RunSQL(
            COURSE.format(more=", ('confirmed', 'refunded')"),
            COURSE.format(more=""),
        ),
        migrations.RunSQL(BEGIN.format(allowed=BY_KIND), BEGIN.format(allowed=CANCELLED_ONLY)),
    ]
