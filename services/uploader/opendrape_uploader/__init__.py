"""The uploader service: writes, reads back, compares, signs."""
