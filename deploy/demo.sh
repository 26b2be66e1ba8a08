#!/usr/bin/env bash
# The main job, to be seen: rendered scenes served as RTSP cameras, detection, alerts on the terminal and on a page.
# Does all of its set-up on a fresh Debian or Ubuntu machine (root or sudo for the RTSP server's packages), safe to
# repeat. Arguments go to `vedette demo`:  bash deploy/demo.sh --seconds 30
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
