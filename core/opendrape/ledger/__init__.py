"""How a worker takes work from the ledger: claim, heartbeat, complete, fail."""
