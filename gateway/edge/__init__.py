"""The data plane of the gateway: its own HTTP/1.1 server without Django, one module per policy.

A request passes `target` → `cors` → `preflight` → `routing` → `authenticate` → `limits` →
`headers` → `dispatch` (`balance`, `breaker`, `pool`) and streams back through `link_rewriting`.
"""
