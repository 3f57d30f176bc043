"""The gallery's tables, and its first scenes and schedule."""
