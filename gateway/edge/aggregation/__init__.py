"""Answers that combine several services, as the published table declares them."""
