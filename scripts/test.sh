#!/usr/bin/env bash
# Run pytest with coverage, then say which real servers took part. pytest's own closing line comes last.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
log=$(mktemp)
OPENDRAPE_SERVERS_USED=$(mktemp -d)
export OPENDRAPE_SERVERS_USED
trap 'rm -rf "$log" "$OPENDRAPE_SERVERS_USED"' EXIT

"$bin/python" -m pytest --cov --cov-report= "$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}

"$bin/coverage" report --precision=1 | tail -n 40
if [ -n "${CI:-}" ] && ! "$bin/coverage" report --fail-under=90 > /dev/null; then
  echo 'branch coverage is under 90 %'
  [ "$code" -ne 0 ] || code=1
fi
echo
echo 'real servers in this run'
printf '  %-13s %s\n' SQLite 'used: through Python, no server'
for name in PostgreSQL 'Service Bus' 'Azure Blob' Redis Triton Prometheus 'Small disk' 'Python client' TypeScript; do
  note=$OPENDRAPE_SERVERS_USED/${name// /_}
  if [ -f "$note" ]; then text=$(cat "$note"); else text='no test asked for it'; fi
  printf '  %-13s %s\n' "$name" "$text"
done
echo
grep -E '^=+ .*(passed|failed|error|no tests ran).* =+$' "$log" | tail -n 1
exit "$code"
