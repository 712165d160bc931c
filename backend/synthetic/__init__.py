"""Closed-form synthetic heads: the training data of the bundled generator."""
