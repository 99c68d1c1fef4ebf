"""Everything that changes the catalogue or its stock, one verb a file.

Staff: create_product, update_product, delete_product, receive_stock.
Orders: reserve_stock, then release_stock or commit_stock; return_stock undoes the latter.
"""
