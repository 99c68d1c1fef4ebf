"""Everything that changes a payment, one verb a file.

A charge is request_payment, then the provider is asked, then settle_payment; a
refund is request_refund, the provider, settle_refund, or report_failed_refund when
it cannot be done. The provider is asked between two transactions and never inside
one. refund_by_staff starts a refund from the admin.
"""
