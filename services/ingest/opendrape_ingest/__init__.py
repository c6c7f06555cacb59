"""The ingest service: finds, digests, registers and plans."""
