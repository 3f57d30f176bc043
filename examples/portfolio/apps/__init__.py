"""The Django apps of the site."""
