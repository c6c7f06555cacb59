"""What the services need from outside: small protocols whose docstrings are the contracts."""
