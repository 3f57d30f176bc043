"""How the project is watched."""
