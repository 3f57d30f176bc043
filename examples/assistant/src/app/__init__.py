"""The background work of an AI product: what must be quick, what may take a while, and what nobody waits for."""
