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
. deploy/setup.sh

TORCH=${VEDETTE_TORCH:-torch==2.13.0}
NEEDED=(redis-server ffmpeg "${RTSP_SERVER_PACKAGES[@]}" gstreamer1.0-plugins-ugly gstreamer1.0-libav)
WISHED=(chromium)  # tests that look at a page; a snap stub on Ubuntu, so they skip there
export YOLO_OFFLINE=1 YOLO_AUTOINSTALL=false HF_HUB_OFFLINE=1  # tests download nothing

system_packages() {
    local missing wished=()
    command -v apt-get >/dev/null || { echo "no apt-get here: tests that need ${NEEDED[*]} skip"; return; }
    read -ra missing <<<"$(missing_of "${NEEDED[@]}")"
    grep -qi '^ID=debian' /etc/os-release && read -ra wished <<<"$(missing_of "${WISHED[@]}")"
    [ $((${#missing[@]} + ${#wished[@]})) = 0 ] && return
    may_install || { echo "neither root nor sudo: tests that need ${missing[*]} ${wished[*]} skip"; return; }
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

virtual_environment() {
    make_venv
    is_stamped .tests-installed "$TORCH" && return
    say "installing Python packages (minutes the first time; log: $LOG)"
    # shellcheck disable=SC2086  # VEDETTE_TORCH may hold options besides the requirement
    pip_install $TORCH
    # Held fast: ultralytics asks for torchvision, the newest of which would bring another torch, and CUDA with it.
    "$VENV/bin/python" -m pip freeze 2>>"$LOG" | grep '^torch==' >"$VENV/constraints.txt"
    pip_install -c "$VENV/constraints.txt" -e '.[dev,models,train]'
    install_text_encoder
    stamp .tests-installed
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
