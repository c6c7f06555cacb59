"""The proof kit: known identities are inserted, masked by the real engine, and looked for in the result."""
