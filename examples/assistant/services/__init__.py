"""Stand-ins for the services an AI product calls, small but real: each does its work, over its real protocol.

python -m services      # all four, at the addresses of app.core.settings
"""
