"""Requests byte for byte, and what must become of each: the answer, the connection, the service behind.

The names of cases begin with the RFC and the section that decides them.
"""
