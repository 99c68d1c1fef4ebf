"""How the admins write times, by language: Django's ``FORMAT_MODULE_PATH``."""
