"""The five calls over HTTP, as a bare ASGI application in front of Django.

Django's middleware chain holds a thread for every running request as soon as one
middleware is synchronous; a registry has hundreds of requests that only wait.
"""
