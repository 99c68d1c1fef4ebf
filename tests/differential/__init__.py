"""The same bytes through our gateway, nginx and HAProxy to one service; every difference has a reason."""
