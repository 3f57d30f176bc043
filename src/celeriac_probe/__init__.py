"""The probe: says within milliseconds whether the workers of this host live.

A package of its own, because importing `celeriac` imports kombu, which takes longer than a probe may. Nothing here
imports anything but a few modules of the standard library; `pulse` is the one place that knows a heartbeat file.
"""
