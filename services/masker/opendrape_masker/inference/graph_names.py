"""Which tensor name every rendered graph takes its pictures under."""

IMAGES = "images"
