#!/usr/bin/env bash
# The main job, to be seen: rendered scenes served as RTSP cameras, detection, alerts on the terminal and on a page.
# Does all of its set-up on a fresh Debian or Ubuntu machine (root or sudo for the RTSP server's packages), safe to
# repeat. Arguments go to `vedette demo`:  bash deploy/demo.sh --seconds 600
#
#   VEDETTE_VENV    virtual environment to use (default: .venv beside this repository's README)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. deploy/setup.sh

read -ra missing <<<"$(missing_of "${RTSP_SERVER_PACKAGES[@]}")"
if [ ${#missing[@]} -gt 0 ]; then
    may_install || die "the demo's RTSP server needs ${missing[*]}: run this as root or with sudo"
    say "installing ${missing[*]}"
    apt_install "${missing[@]}" || die "${missing[*]} could not be installed; see $LOG"
fi
make_venv
if ! is_stamped .demo-installed; then
    say "installing Python packages (a minute the first time; log: $LOG)"
    pip_install -e .
    install_text_encoder
    stamp .demo-installed
fi
rm -f "$LOG"
exec "$VENV/bin/vedette" demo "$@"
