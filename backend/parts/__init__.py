"""Rigid parts outside the field, in closed form: eyeballs, teeth, glasses and earrings."""
