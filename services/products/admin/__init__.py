"""The admin of products; the import registers its pages and tiles."""

from services.products.admin import products, stock, tiles

__all__ = ["products", "stock", "tiles"]
