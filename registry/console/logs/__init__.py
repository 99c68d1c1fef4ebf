"""The page of logs: live and searched, of all processes of the platform on this machine."""
