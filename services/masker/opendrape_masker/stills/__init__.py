"""Still pictures, masked: decoded, looked at, painted, written and looked at again (V-13)."""
