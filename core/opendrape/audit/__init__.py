"""The audit: chained, anchored, verified, exported."""
