#!/usr/bin/env bash
# Start one worker of the pool medium_priority; CELERY_AUTOSCALE_MAX and the like win over the plan.
exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" celeriac worker medium_priority "$@"
