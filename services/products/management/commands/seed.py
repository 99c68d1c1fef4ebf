"""``python manage.py products seed``: store the demo catalogue; idempotent."""

from typing import Any

from django.core.management.base import BaseCommand

from services.products.catalogue.demo import demo_products
from services.products.models import Product
from services.products.usecases.fill_catalogue import fill_catalogue


class Command(BaseCommand):
    help = "Store the demo products. Existing products do not change."

    def handle(self, *args: Any, **options: Any) -> None:
        added = fill_catalogue(demo_products(), actor="seed")
        self.stdout.write(f"{added} products added, {Product.objects.count()} in the catalogue.")
