"""A test with the kit."""

from datetime import timedelta
from decimal import Decimal

from atoll.bus.models import Delivery
from atoll.testing.bus import Bus
from shop import models
from shop.usecases import order_basket


def test_a_packed_basket_is_marked(atoll_bus: Bus) -> None:
    basket_id = order_basket(Decimal("19.90"))
    row: Delivery
    for row in atoll_bus.deliver("basket.packed", {"basketId": str(basket_id), "weightG": 700}):
        assert row.status == Delivery.Status.DONE
    atoll_bus.advance(timedelta(days=1))
    assert models.is_packed(basket_id)
    assert not atoll_bus.dead()
    assert atoll_bus.wait_for(lambda: atoll_bus.handled("remind.customer"), within=timedelta(days=1))
