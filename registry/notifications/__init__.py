"""Notifications: rules of staff tell a webhook or people by mail when something begins and when it ends."""
