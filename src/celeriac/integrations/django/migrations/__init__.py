"""Django's migrations; they make permissions, no tables."""
