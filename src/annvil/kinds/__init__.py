"""Kinds of data: one folder each, independent of one another; the rest of the house does not know them."""
