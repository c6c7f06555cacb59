#!/usr/bin/env bash
# Install the servers that tests use: Debian packages when root, the rest into .servers/ of this checkout. Says what it did.
# A server that cannot be had here is named, not an error: its tests are skipped with that reason.
set -uo pipefail
cd "$(dirname "$0")/.."
here=$PWD/.servers
python=${PYTHON:-python3}
azurite_version=3.37.0
pytriton_version=0.7.0
triton_onnxruntime_version=1.32.0
mkdir -p "$here"

say() { printf '  %-12s %s\n' "$1" "$2"; }

debian=(postgresql redis-server prometheus rclone ffmpeg)
debian_packages() { # installs what is missing; starts no service of the system
  local missing=()
  for name in "${debian[@]}"; do
    dpkg-query -W -f='${Status}' "$name" 2> /dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  if [ ${#missing[@]} -eq 0 ]; then say Debian "nothing to do: ${debian[*]}"; return; fi
  if ! command -v apt-get > /dev/null; then say Debian "no apt-get here; not installed: ${missing[*]}"; return; fi
  if [ "$(id -u)" -ne 0 ]; then say Debian "not root; install these yourself: ${missing[*]}"; return; fi
  local policy=/usr/sbin/policy-rc.d made=''
  if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy" && made=yes; fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    > "$here/debian.log" 2>&1 \
    && say Debian "installed: ${missing[*]}" || say Debian "apt-get failed, see .servers/debian.log; wanted: ${missing[*]}"
  [ -z "$made" ] || rm -f "$policy"
}

azurite() {
  local found=$here/azurite/node_modules/azurite/package.json
  if [ -f "$found" ] && grep -q "\"version\": \"$azurite_version\"" "$found"; then say Azurite "$azurite_version is there"; return; fi
  if ! command -v npm > /dev/null; then say Azurite 'needs node and npm; not installed'; return; fi
  mkdir -p "$here/azurite"
  npm install --prefix "$here/azurite" --no-audit --no-fund --loglevel=error "azurite@$azurite_version" > "$here/azurite.log" 2>&1 \
    && say Azurite "installed $azurite_version into .servers/azurite" || say Azurite 'npm failed, see .servers/azurite.log'
}

triton() { # the wheel carries a real tritonserver; it and its Python backend, with ONNX Runtime, have an environment of their own
  local stamp=$here/triton/.installed-$pytriton_version-$triton_onnxruntime_version
  if [ -f "$stamp" ]; then say Triton "from nvidia-pytriton $pytriton_version is there"; return; fi
  { "$python" -m venv "$here/triton" && "$here/triton/bin/python" -m pip install -q --disable-pip-version-check \
    "nvidia-pytriton==$pytriton_version" "onnxruntime==$triton_onnxruntime_version" 'numpy<2'; } > "$here/triton.log" 2>&1 \
    && touch "$stamp" && say Triton "installed nvidia-pytriton $pytriton_version and onnxruntime $triton_onnxruntime_version into .servers/triton" \
    || say Triton 'pip failed, see .servers/triton.log'
}

client_tools() { # what makes clients from docs/openapi.json, as locked in tests/clients
  local folder=$here/clients stamp=$here/clients/.installed wanted
  wanted=$(cat tests/clients/requirements.txt tests/clients/package-lock.json | cksum)
  if [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ]; then say Clients 'their generators are there, as locked'; return; fi
  mkdir -p "$folder"
  { "$python" -m venv "$folder/python" && "$folder/python/bin/python" -m pip install -q --disable-pip-version-check \
    --no-deps --require-hashes -r tests/clients/requirements.txt; } > "$here/clients.log" 2>&1 \
    || { say Clients 'pip failed, see .servers/clients.log'; return; }
  if ! command -v npm > /dev/null; then say Clients 'Python only: TypeScript needs node and npm'; return; fi
  cp tests/clients/package.json tests/clients/package-lock.json "$folder/"
  npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts --loglevel=error >> "$here/clients.log" 2>&1 \
    && echo "$wanted" > "$stamp" && say Clients 'generators for Python and TypeScript installed into .servers/clients' \
    || say Clients 'npm failed, see .servers/clients.log'
}

echo 'servers for the tests'
debian_packages
azurite
triton
client_tools
say 'Service Bus' 'a stand-in that comes with the tests (tests/servers/servicebus)'
say SQLite 'comes with Python'
