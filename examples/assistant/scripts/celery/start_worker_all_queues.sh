#!/usr/bin/env bash
# Start one worker of the pool all_queues; CELERY_AUTOSCALE_MAX and the like win over the plan.
exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" celeriac worker all_queues "$@"
