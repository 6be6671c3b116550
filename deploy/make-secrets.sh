#!/bin/sh
# Makes the secrets of docker-compose.yml in ./secrets, each in a file that is not there yet. Of an
# installation that had them as variables, in the environment or in .env, they are taken over.
#
#   sh deploy/make-secrets.sh
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "$1" >&2
  exit 1
}

# The value of a variable in .env, as Compose reads it; empty without it.
from_dotenv() {
  [ -e .env ] || return 0
  [ -r .env ] || fail ".env cannot be read"
  assignment="^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}$1[[:space:]]*=[[:space:]]*"
  text=$(tr -d '\r' < .env | sed -n "s/$assignment//p" | tail -n 1 | sed 's/[[:space:]]*$//')
  case $text in
    \'*\') text=${text#\'} text=${text%\'} ;;
    \"*\") text=${text#\"} text=${text%\"} ;;
    *) text=$(printf %s "$text" | sed 's/[[:space:]][[:space:]]*#.*$//') ;;
  esac
  case $text in
    *[\'\"\$\\]*) fail ".env has $1 in a form that is not read here: put its value into secrets/$2" ;;
  esac
  printf %s "$text"
}

# Thirty-two bytes in base64url.
random() {
  head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# make FILE VARIABLE PREFIX
make() {
  file=secrets/$1
  if [ -e "$file" ]; then
    [ -f "$file" ] || fail "$file is no file"
    [ -s "$file" ] || fail "$file is empty"
    echo "$file is there already"
    return
  fi
  eval "value=\${$2:-}"
  [ -n "$value" ] || value=$(from_dotenv "$2" "$1") || exit 1
  how="has the value of $2"
  [ -n "$value" ] || { how="is new" && value=$3$(random); }
  # Readable for the containers' users; the folder is for nobody else.
  rm -f "$file.new"
  (umask 077 && printf '%s\n' "$value" > "$file.new")
  chmod 0444 "$file.new"
  mv "$file.new" "$file"
  echo "$file $how"
}

mkdir -p secrets
chmod 0700 secrets
make auth_keys AUTH_KEYS k1:
make database_password POSTGRES_PASSWORD ""
make operators_password OPERATORS_PASSWORD ""
make grafana_password GRAFANA_PASSWORD ""
