"""The console: pages for staff that show the whole platform (docs/console.md).

A part of the console is a module or package here. It adds its addresses in ``urls.py`` and its place in the
menu with `registry.console.navigation.register_entry`.
"""
