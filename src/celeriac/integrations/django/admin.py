"""What Celeriac shows in Django's admin; Django imports this module by its name."""

from __future__ import annotations

from django.contrib import admin

from celeriac.integrations.django.letter_pages import LetterAdmin
from celeriac.integrations.django.models import Letter, Run
from celeriac.integrations.django.run_pages import RunAdmin

admin.site.register(Letter, LetterAdmin)
admin.site.register(Run, RunAdmin)
