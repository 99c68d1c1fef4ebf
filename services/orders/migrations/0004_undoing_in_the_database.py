"""How a cancelled order is undone, as far as a CHECK cannot say it: it looks at other rows and earlier ones."""

from django.db import migrations

BEGIN = """
CREATE FUNCTION orders_check_new_compensation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    order_status text;
BEGIN
    SELECT status INTO order_status FROM orders_order WHERE id = NEW.order_id;
    IF order_status IS DISTINCT FROM 'cancelled' OR NEW.state <> 'asked' THEN
        RAISE check_violation USING
            MESSAGE = format('%s of order %s, which is %s, cannot begin as %s',
                             NEW.kind, NEW.order_id, order_status, NEW.state),
            CONSTRAINT = 'compensation_begins_asked_for_a_cancelled_order';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER compensation_begins_asked_for_a_cancelled_order
BEFORE INSERT ON orders_ordercompensation FOR EACH ROW EXECUTE FUNCTION orders_check_new_compensation();
"""

COURSE = """
CREATE FUNCTION orders_refuse_illegal_undoing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('%s of order %s cannot go from %s to %s',
                         OLD.kind, OLD.order_id, OLD.state, NEW.state),
        CONSTRAINT = 'compensation_moves_along_its_course';
END $$;

CREATE TRIGGER compensation_moves_along_its_course
BEFORE UPDATE ON orders_ordercompensation FOR EACH ROW
WHEN (
    (OLD.order_id, OLD.kind) IS DISTINCT FROM (NEW.order_id, NEW.kind)
    OR NEW.asks < OLD.asks
    OR OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('asked', 'done'), ('asked', 'failed'),
        ('done', 'asked'),
        ('failed', 'asked'), ('failed', 'done'), ('failed', 'settled'),
        ('settled', 'failed')
    )
)
EXECUTE FUNCTION orders_refuse_illegal_undoing();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_compensations")]

    operations = [
        migrations.RunSQL(
            BEGIN,
            "DROP TRIGGER compensation_begins_asked_for_a_cancelled_order ON orders_ordercompensation;"
            "DROP FUNCTION orders_check_new_compensation();",
        ),
        migrations.RunSQL(
            COURSE,
            "DROP TRIGGER compensation_moves_along_its_course ON orders_ordercompensation;"
            "DROP FUNCTION orders_refuse_illegal_undoing();",
        ),
    ]
