"""API keys: how they are made, shown once, recognised and replaced."""
