"""The web: REST, the live feed, the console's files. Each noun is a module with its `ROUTES`."""

NOUNS = (
    "system",
    "signin",
    "oidc",
    "live",
    "incidents",
    "reports",
    "attachments",
    "agents",
    "quarantine",
    "organisation",
    "sharing",
    "accounts",
    "obligations",
    "roster",
    "notices",
    "audit",
    "proof",
)
"""The modules whose routes are served; a further noun is one line here."""
