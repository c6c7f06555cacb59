#!/usr/bin/env bash
# Make the locks from pyproject.toml: every file pinned with hashes, no index, no address.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}

compile() { # compile OUTPUT EXTRA... : one lock for these extras, with the build backend
  local output=$1; shift
  local extras=(--extra build)
  for extra in "$@"; do extras+=(--extra "$extra"); done
  "$uv" pip compile pyproject.toml "${extras[@]}" --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links ${constraints:-} -o "$output"
  echo "locked $output"
}

constraints='' compile requirements.txt embedded
# the other locks follow the first one, so that a test runs with what is shipped
export constraints='-c requirements.txt'
compile requirements-dev.txt embedded dev
for service in gateway ingest masker uploader; do
  compile "services/$service/requirements.txt" "$service"
done
# what makes clients from the API's description in a test lives in environments of its own
"$uv" pip compile tests/clients/requirements.in --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate --no-emit-index-url --no-emit-find-links -o tests/clients/requirements.txt
echo 'locked tests/clients/requirements.txt'
if command -v npm > /dev/null; then
  npm install --prefix tests/clients --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error
  echo 'locked tests/clients/package-lock.json'
else
  echo 'no npm here: tests/clients/package-lock.json stays as it is'
fi
if grep -n '"resolved"' tests/clients/package-lock.json || grep -nE '://|--index|--find-links|--extra-index' requirements*.txt services/*/requirements.txt tests/clients/requirements.txt; then
  echo 'a lock carries an address' >&2
  exit 1
fi
