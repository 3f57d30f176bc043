"""The rules a plan must keep, one module for each subject.

Each has `judge(plan, report, …)`, which reads typed values and reports what does not fit together; it changes nothing
and never fails.
"""
