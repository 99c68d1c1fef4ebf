"""One OpenAPI document for the public API: what the routes open of each service, and the gateway's own."""
