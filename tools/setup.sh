#!/usr/bin/env bash
# Makes .venv hold what locks in requirements/ pin; does nothing when it already does.
# usage: tools/setup.sh LOCK...     e.g. tools/setup.sh dev pipelines; where there is a GPU its CUDA lock is added
#
# .venv/.shardner holds a copy of every lock installed (a lock that differs from its copy is installed again), the path
# at which .venv was made (its scripts name it) and, while something is being installed, the file "unfinished".
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
state=$venv/.shardner
oldest=3.11
newest=3.14 # a later Python is tried last: packages may lack wheels for it
# On Python 3.14 Snakemake needs a C compiler: immutables, one of its dependencies, has no wheel there.
command -v cc >/dev/null || newest=3.13
unset PYTHONDONTWRITEBYTECODE PYTHONHOME
# What is being made must not make itself: neither .venv's python nor its uv is meant below.
PATH=":$PATH:"
PATH=${PATH//":$PWD/$venv/bin:"/:}
PATH=${PATH#:}
PATH=${PATH%:}

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

main() {
  (($# > 0)) || die "name a lock: run, dev, docs, pipelines, bench or transformers"
  local lock cuda changed=false
  cuda=$(tools/gpu.sh lock)
  [[ $cuda != cuda12 || ! " $* " =~ " "(transformers|bench)" " ]] || check_torch
  is_usable || create_venv
  for lock in "$@" $cuda; do
    is_installed "$lock" && continue
    install_lock "$lock"
    changed=true
  done
  if $changed; then
    say "$(describe_gpu "$cuda")"
    say "done in $SECONDS s"
  fi
}

# The locked Torch is built for CUDA 13; with an older driver it sees no device. Another build of the same version that
# is there already stays.
check_torch() {
  local build
  build=$("$venv/bin/python" -c 'import importlib.metadata; print(importlib.metadata.version("torch"))' 2>/dev/null || true)
  [[ $build == *+cu12* || $build == *+cpu* ]] || die \
    "transformers.lock and bench.lock in requirements/ have a Torch for CUDA 13, and the driver here is for CUDA 12. One of these will do:" \
    "- update the driver to 580 or later" \
    "- put a build of the same Torch for CUDA 12 into $venv first (https://pytorch.org has them), then try again" \
    "- annotate on the CPU:   CUDA_VISIBLE_DEVICES= tools/setup.sh run transformers"
}

is_usable() {
  [[ -x $venv/bin/python && ! -e $state/unfinished ]] &&
    [[ $(cat "$state/path" 2>/dev/null) == "$PWD" ]] &&
    "$venv/bin/python" -c 'import pip' 2>/dev/null
}

is_installed() { cmp -s "requirements/$1.lock" "$state/$1.lock"; }

create_venv() {
  local python
  python=$(find_python)
  if [[ -d $state ]]; then
    say "$venv is unfinished, broken or was moved: making it anew"
    rm -rf "$venv"
  elif [[ -e $venv ]]; then
    [[ ! -e $venv.before ]] || die "neither $venv nor $venv.before was made here: move one of them away, then try again"
    say "$venv was not made here: keeping it as $venv.before"
    mv "$venv" "$venv.before"
  fi
  say "making $venv with $("$python" --version)"
  mkdir -p "$state"
  touch "$state/unfinished"
  make_venv "$python"
  printf '%s\n' "$PWD" >"$state/path"
}

make_venv() { # PYTHON
  # --seed: spaCy's download command calls pip
  if has_uv && uv venv --quiet --allow-existing --seed --python "$1" "$venv"; then
    return
  fi
  "$1" -c 'import ensurepip, venv' 2>/dev/null || die \
    "$1 lacks venv or ensurepip." \
    "On Debian and Ubuntu: apt install python3-venv. Pythons from python.org, conda and uv have both."
  "$1" -m venv "$venv"
}

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if is_between "$candidate" "$oldest" "$newest"; then
      echo "$candidate"
      return
    fi
  done
  if has_uv && uv python install --quiet "$newest" 2>/dev/null; then
    uv python find "$newest"
  elif is_between "${PYTHON:-python3}" "$oldest" 99.0; then
    say "only $("${PYTHON:-python3}" --version) found: packages without wheels for it need a C compiler"
    echo "${PYTHON:-python3}"
  else
    die "no Python from $oldest on found (python3 is: $(python3 --version 2>&1 || true))." \
      "Install one, or name one: make PYTHON=/path/to/python$newest ..."
  fi
}

is_between() { # PYTHON OLDEST NEWEST; asked by running it, for a version manager's stand-in may be there and not run
  "$1" -c '
import sys
oldest, newest = (tuple(map(int, version.split("."))) for version in sys.argv[1:])
sys.exit(not oldest <= sys.version_info[:2] <= newest)' "$2" "$3" 2>/dev/null
}

install_lock() { # LOCK
  local lock=requirements/$1.lock
  [[ -f $lock ]] || die "there is no $lock"
  touch "$state/unfinished"
  say "installing $lock ($(grep -c == "$lock") packages)"
  local options=(--requirement "$lock")
  # A lock with hashes holds packages without what they need, which other locks pin.
  grep -q -e --hash= "$lock" && options+=(--require-hashes --no-deps)
  install_with_uv "${options[@]}" || install_with_pip "${options[@]}"
  say "compiling byte code"
  # Here, for the environment of later runs may forbid writing it; a file that some package means to be broken is no
  # failure.
  "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" workflow/scripts >/dev/null || true
  cp "$lock" "$state/$1.lock"
  rm "$state/unfinished"
}

has_uv() { command -v uv >/dev/null; }

install_with_uv() { # OPTION...
  has_uv || return 1
  uv pip install --python "$venv/bin/python" "$@" && return
  say "uv failed (its index is not pip's): trying pip"
  return 1
}

install_with_pip() { # OPTION...
  PIP_USER=0 "$venv/bin/python" -m pip install --no-compile --disable-pip-version-check "$@"
}

describe_gpu() { # CUDA-LOCK
  if [[ -n $1 ]]; then
    echo "$(tools/gpu.sh count) GPU(s): CuPy for CUDA ${1#cuda} is installed"
  else
    echo "no GPU with CUDA 12 or later: everything runs on the CPU"
  fi
}

main "$@"
