"""The masking engine: look, link over time, paint, write, and look again."""
