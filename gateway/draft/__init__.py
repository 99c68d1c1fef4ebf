"""The draft: the rows of the admin as the next routing table, and its difference from the published one."""
