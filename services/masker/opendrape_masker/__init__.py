"""The masker service: everything with pixels."""
