"""The contact sheet of ``opendrape mask --preview``: for the eyes of the person who masks, never part of a delivery."""
