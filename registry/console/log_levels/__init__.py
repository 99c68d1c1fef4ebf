"""The level of log lines at run time: the levels that are set, and the act that sets one."""
