"""Two rules that a CHECK cannot say, since they look at an earlier row or at other rows."""

from django.db import migrations

COURSE = """
CREATE FUNCTION orders_refuse_illegal_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('order %s cannot go from %s to %s', OLD.id, OLD.status, NEW.status),
        CONSTRAINT = 'order_moves_along_its_course';
END $$;

CREATE TRIGGER order_moves_along_its_course
BEFORE UPDATE OF status ON orders_order FOR EACH ROW
WHEN (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
    ('pending', 'awaiting_payment'), ('pending', 'cancelled'),
    ('awaiting_payment', 'confirmed'), ('awaiting_payment', 'cancelled')
))
EXECUTE FUNCTION orders_refuse_illegal_move();
"""

TOTAL = """
CREATE FUNCTION orders_check_total() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_lines numeric;
BEGIN
    SELECT sum(quantity * unit_price) INTO of_lines FROM orders_orderline WHERE order_id = NEW.id;
    IF NEW.total IS DISTINCT FROM of_lines THEN
        RAISE check_violation USING
            MESSAGE = format('order %s has total %s, its lines sum up to %s', NEW.id, NEW.total, of_lines),
            CONSTRAINT = 'order_total_is_the_sum_of_its_lines';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER order_total_is_the_sum_of_its_lines
AFTER INSERT OR UPDATE OF total ON orders_order
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_check_total();
"""

LINES = """
CREATE FUNCTION orders_refuse_change_of_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('line %s of order %s cannot change', OLD.id, OLD.order_id),
        CONSTRAINT = 'order_lines_never_change';
END $$;

CREATE TRIGGER order_lines_never_change
BEFORE UPDATE ON orders_orderline FOR EACH ROW EXECUTE FUNCTION orders_refuse_change_of_line();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL(
            COURSE,
            "DROP TRIGGER order_moves_along_its_course ON orders_order;"
            "DROP FUNCTION orders_refuse_illegal_move();",
        ),
        migrations.RunSQL(
            TOTAL,
            "DROP TRIGGER order_total_is_the_sum_of_its_lines ON orders_order;"
            "DROP FUNCTION orders_check_total();",
        ),
        migrations.RunSQL(
            LINES,
            "DROP TRIGGER order_lines_never_change ON orders_orderline;"
            "DROP FUNCTION orders_refuse_change_of_line();",
        ),
    ]
