"""The words of the trade: assets, work, time, policies, receipts. Standard library and pydantic only, no I/O."""
