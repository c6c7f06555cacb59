"""Single frames of a video as masked pictures in a ZIP (V-12)."""
