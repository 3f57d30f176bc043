#!/usr/bin/env bash
# Start a beat. One leads and the others stand by, however many are started.
exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" celeriac beat "$@"
