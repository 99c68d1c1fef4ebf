"""A project as ``django-admin startproject`` makes it, with the bus and nothing else of ours."""
