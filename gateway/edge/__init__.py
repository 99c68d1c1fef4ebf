"""The data plane: raw ASGI, no Django request object, no ORM, one file per policy.

A request passes `target` → `routing` → `cors` → `authenticate` → `limits` →
`headers` → `dispatch` (`balance`, `breaker`, `pool`) and streams back.
"""
