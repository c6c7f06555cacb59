#!/usr/bin/env bash
# Install the servers that tests need. Today every test runs on SQLite and local folders, so there is nothing to install.
set -euo pipefail
cat <<'TEXT'
servers: nothing to install
  SQLite               comes with Python; used by every catalogue test
  PostgreSQL           needed once the catalogue's second adapter is there (cluster issues)
  Service Bus, Blob    emulators, needed with the Azure adapters
  Redis, Triton        needed with the task queue and the GPU inference session
TEXT
