"""The data plane of the gateway: raw ASGI, without Django's request and ORM, one module per policy.

A request passes `target` → `routing` → `cors` → `authenticate` → `limits` →
`headers` → `dispatch` (`balance`, `breaker`, `pool`) and streams back.
"""
