"""Ports made of real things: SQL, folders, key files. SDKs are imported lazily."""
