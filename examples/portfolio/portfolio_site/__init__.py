"""The portfolio site."""
