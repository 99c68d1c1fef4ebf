"""Who may call: issuers of tokens beside users, and consumers with API keys. Published with the routes."""
