"""Access tokens of issuers outside of the platform: Keycloak, Auth0, Entra ID and others (docs/issuers.md).

The gateway believes the issuers of its published table, and a service the one of its settings (`trusted`).
Both read tokens, claims and keys with these modules.
"""
