#!/usr/bin/env bash
# Tests everything on a fresh Debian or Ubuntu machine: installs what the tests need (system packages with root or sudo,
# Python packages into .venv), then runs format, lint, types, layers and tests, and says in one table how each went.
# Safe to repeat, and quick once installed. Arguments go to pytest:  bash deploy/test.sh -k bus
#
#   VEDETTE_VENV    virtual environment to use (default: .venv beside this repository's README)
#   VEDETTE_TORCH   what pip is given for torch (default: torch==2.13.0, before all else, so that nothing pulls another)
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

VENV=${VEDETTE_VENV:-$PWD/.venv}
TORCH=${VEDETTE_TORCH:-torch==2.13.0}
NEEDED=(redis-server ffmpeg python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp gstreamer1.0-plugins-base
        gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav)
WISHED=(chromium)  # the console's tests; a snap stub on Ubuntu, so they skip there
export DEBIAN_FRONTEND=noninteractive
export YOLO_OFFLINE=1 YOLO_AUTOINSTALL=false HF_HUB_OFFLINE=1  # tests download nothing

say() { printf '\n== %s\n' "$*"; }
die() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() {  # quietly, and without starting the services that packages bring
    local guard=/usr/sbin/policy-rc.d made=0 result
    if [ -z "${APT_IS_FRESH:-}" ]; then
        as_root apt-get update -qq >>"$LOG" 2>&1 || echo "apt-get update failed; see $LOG"
        APT_IS_FRESH=1
    fi
    if [ ! -e $guard ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $guard >/dev/null && as_root chmod 755 $guard && made=1
    fi
    as_root apt-get install -y -qq --no-install-recommends "$@" >>"$LOG" 2>&1
    result=$?
    [ $made = 1 ] && as_root rm -f $guard
    return $result
}

system_packages() {
    command -v apt-get >/dev/null || { echo "no apt-get here: tests that need ${NEEDED[*]} skip"; return; }
    local missing=() wished=() package
    for package in "${NEEDED[@]}"; do is_installed "$package" || missing+=("$package"); done
    for package in "${WISHED[@]}"; do is_installed "$package" || wished+=("$package"); done
    grep -qi '^ID=debian' /etc/os-release || wished=()
    [ $((${#missing[@]} + ${#wished[@]})) = 0 ] && return
    if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        echo "neither root nor sudo: tests that need ${missing[*]} ${wished[*]} skip"
        return
    fi
    say "installing ${missing[*]} ${wished[*]}"
    if [ ${#missing[@]} -gt 0 ]; then
        apt_install "${missing[@]}" || die "the system packages ${missing[*]} could not be installed; see $LOG"
    fi
    if [ ${#wished[@]} -gt 0 ]; then
        apt_install "${wished[@]}" || echo "not to be had here: ${wished[*]}; its tests skip"
    fi
    case " ${missing[*]} " in
        *" redis-server "*) as_root systemctl disable redis-server >>"$LOG" 2>&1 || true ;;  # tests start their own
    esac
}

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info)' 2>/dev/null; then echo "$name"; return; fi
    done
}

virtual_environment() {
    local python stamp
    if [ ! -x "$VENV/bin/python" ]; then
        python=$(find_python)
        if [ -z "$python" ]; then
            command -v apt-get >/dev/null && apt_install python3.11 python3.11-venv
            python=$(find_python)
        fi
        [ -n "$python" ] || die "Python 3.11 or newer is needed and could not be installed"
        if ! "$python" -c 'import ensurepip' 2>/dev/null; then
            apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" \
                || die "the module venv of $python is needed and could not be installed; see $LOG"
        fi
        say "making $VENV"
        "$python" -m venv "$VENV" || die "$VENV could not be made"
    fi
    stamp=$({ cat pyproject.toml; echo "$TORCH $PWD"; "$VENV/bin/python" -V; } | sha256sum | cut -d' ' -f1)
    [ "$(cat "$VENV/.installed" 2>/dev/null)" = "$stamp" ] && return
    say "installing Python packages (minutes the first time; log: $LOG)"
    # shellcheck disable=SC2086  # VEDETTE_TORCH may hold options besides the requirement
    "$VENV/bin/python" -m pip install -q $TORCH >>"$LOG" 2>&1 || die "$TORCH could not be installed; see $LOG"
    # Held fast: ultralytics asks for torchvision, the newest of which would bring another torch, and CUDA with it.
    "$VENV/bin/python" -m pip freeze 2>>"$LOG" | grep '^torch==' >"$VENV/constraints.txt"
    "$VENV/bin/python" -m pip install -q -c "$VENV/constraints.txt" -e '.[dev,models]' >>"$LOG" 2>&1 \
        || die "the Python packages could not be installed; see $LOG"
    echo "$stamp" >"$VENV/.installed"
}

SUMMARY=()
FAILED=0
step() {  # step NAME COMMAND...
    local name=$1 began=$SECONDS result
    shift
    say "$name"
    "$@"
    result=$?
    if [ $result = 0 ]; then result=passed; else result="FAILED ($result)"; FAILED=1; fi
    SUMMARY+=("$(printf '%-8s %-12s %4d s' "$name" "$result" $((SECONDS - began)))")
}

LOG=$(mktemp -t vedette-install.XXXXXX)
system_packages
virtual_environment
PATH="$VENV/bin:$PATH"

step format ruff format --check --output-format concise .
step lint ruff check --output-format concise .
step types mypy
step layers lint-imports
step tests python -m pytest "$@"

printf '\n'
printf '%s\n' "${SUMMARY[@]}"
[ $FAILED = 0 ] && rm -f "$LOG"
exit $FAILED
