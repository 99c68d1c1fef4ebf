"""Clients that want to hold the gateway shut, from other addresses, while a customer is served.

`gateway.tests.attacks.test_attacks` runs each for seconds, ``make attack-gateway`` all of them for minutes.
"""
