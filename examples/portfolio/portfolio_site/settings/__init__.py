"""Settings of the site; `base` is all a laptop needs, and reads what differs elsewhere from the environment."""
