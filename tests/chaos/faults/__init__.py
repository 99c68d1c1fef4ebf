"""The faults that the nemesis can inject: one method ``_KIND(fault)`` per kind tells what it did."""
