#!/usr/bin/env bash
# Run a command of this project: in its folder, with its .env, its sources and its Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -f .env ]; then
  while IFS='=' read -r name value || [ -n "$name" ]; do
    # What is set in the environment already wins: that is how a container or one command overrides the file.
    if [[ $name =~ ^[A-Z_][A-Z0-9_]*$ ]] && [ -z "${!name+set}" ]; then export "$name=$value"; fi
  done <.env
fi

export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
# In an image there is no environment of the project's own, and its programs are found as they are.
python="${PYTHON:-.venv/bin/python}"
if [ -x "$python" ]; then
  PATH="$(cd "$(dirname "$python")" && pwd):$PATH"
  export PATH
fi
exec "$@"
