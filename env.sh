# Source this file: `source env.sh`. It activates the environment (.venv, or the one named by VENV) and tells the bare
# `dagster` command where the graph is.
_here="$(cd "$(dirname "${BASH_SOURCE[0]:-${(%):-%x}}")" && pwd)"
case "${VENV:-.venv}" in /*) _venv="${VENV}" ;; *) _venv="$_here/${VENV:-.venv}" ;; esac
if [ -f "$_venv/bin/activate" ]; then
  # shellcheck disable=SC1090,SC1091
  . "$_venv/bin/activate"
elif [ -z "${VIRTUAL_ENV:-}" ]; then
  echo "env.sh: no .venv here yet; run 'make setup' first" >&2
fi
export DAGSTER_MODULE_NAME=pipelines.command_line
# Why there is a `dagster` of our own in front is said there.
export PATH="$_here/pipelines/bin:${PATH//$_here\/pipelines\/bin:/}"
export DAGSTER_HOME="${DAGSTER_HOME:-$_here/.dagster}"
export GR00T_LAKE="${GR00T_LAKE:-$_here/lake}"
# OpenMP threads that spin while they wait make a step up to 30 times slower when something else wants the core too.
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}"
mkdir -p "$DAGSTER_HOME"
unset _here _venv
