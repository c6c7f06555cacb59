"""The gateway service: the only door for people and hospital systems."""
