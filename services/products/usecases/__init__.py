"""The use cases of products, one verb a file.

For staff: create_product, update_product, delete_product, receive_stock.
For orders: reserve_stock, then release_stock or commit_stock; return_stock compensates a commit.
"""
