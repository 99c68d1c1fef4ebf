"""The use cases of payments, one verb a file.

A charge runs request_payment, asks the provider and runs settle_payment. A refund runs
request_refund, asks the provider and runs settle_refund, or report_failed_refund. The provider
is asked between two transactions. refund_by_staff starts a refund from the admin.
"""
