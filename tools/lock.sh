#!/usr/bin/env bash
# Regenerates requirements/*.lock from pyproject.toml, and envs/*.yaml from the locks.
# usage: tools/lock.sh [--upgrade]     without --upgrade, pins that still fit their range are kept
set -euo pipefail
cd "$(dirname "$0")/.."

# A local folder of wheels must not leak into the locks ("2.13.0+cpu" exists on no index).
unset UV_FIND_LINKS

compile() { # NAME SOURCE [OPTION...]: one lock for every platform and every Python from 3.11 on
  local lock=requirements/$1.lock
  shift
  echo "lock: $lock"
  # fewest: one version of each package for all Pythons, so that conda's environments can carry the same pins
  uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --no-header --no-annotate --no-strip-extras --no-emit-index-url --output-file "$lock" "$@"
}

# Each lock is constrained by those before it: a package has the same version in all of them, and they add up.
compile run pyproject.toml "$@"
compile dev pyproject.toml --extra dev --extra slurm --extra s3 --constraint requirements/run.lock "$@"
compile docs pyproject.toml --extra docs --constraint requirements/dev.lock "$@"
compile slurm pyproject.toml --extra slurm --constraint requirements/dev.lock "$@"
compile s3 pyproject.toml --extra s3 --constraint requirements/dev.lock "$@"
compile transformers pyproject.toml --extra transformers --constraint requirements/dev.lock "$@"
compile bench pyproject.toml --extra bench --constraint requirements/dev.lock --constraint requirements/transformers.lock "$@"
compile cuda13 pyproject.toml --extra cuda13 --constraint requirements/dev.lock --constraint requirements/transformers.lock "$@"
compile cuda12 pyproject.toml --extra cuda12 --constraint requirements/dev.lock "$@"
# One package and nothing that it needs, for pip demands a hash of everything in a file that has one (decision 3).
compile pipelines --group pipelines --no-deps --generate-hashes "$@"

# Torch names its CUDA libraries itself, to the exact version. Without them here a CPU build of Torch installs from the
# same lock, and does not download gigabytes that it has no use for.
cuda_libraries='^(cuda-|triton==|nvidia-(cu|nccl|nvjitlink|nvshmem|nvtx))'
for lock in requirements/{transformers,bench}.lock; do
  grep -Ev "$cuda_libraries" "$lock" >"$lock.tmp"
  mv "$lock.tmp" "$lock"
done

for lock in requirements/*.lock; do
  { echo "# Pins for pyproject.toml's ranges: regenerate with 'make lock', never edit."; cat "$lock"; } >"$lock.tmp"
  mv "$lock.tmp" "$lock"
done

python tools/write_envs.py
