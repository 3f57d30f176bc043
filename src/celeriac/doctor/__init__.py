"""The doctor: what is wrong with the system of a plan, whether it runs or not, how it is known, and how to mend it.

In: the plan, a way to its app, and what checking the plan found. Out: an `Examination` of findings, each by a rule of
`rules/`, which reads looks of one `Patient`. Every look is taken in a thread of its own, with one deadline for all, and
changes nothing. One that fails takes the rules that need it out of judgement, and no other.
"""

from celeriac.doctor.examination import Examination, Unjudged, chosen, examine
from celeriac.doctor.finding import Finding, Level, Rule

__all__ = ["Examination", "Finding", "Level", "Rule", "Unjudged", "chosen", "examine"]
