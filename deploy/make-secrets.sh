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

# not_read VARIABLE FILE
not_read() {
  fail ".env has $1 in a form that is not read here: put its value into secrets/$2"
}

# from_dotenv VARIABLE FILE: its value in .env; empty without it. Of what Compose reads, the plain forms are taken.
from_dotenv() {
  [ -e .env ] || return 0
  { [ -f .env ] && [ -r .env ]; } || fail ".env cannot be read"
  assignment="^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*"
  named=$(tr -d '\r' < .env | grep -Ev '^[[:space:]]*#' | grep -E "(^|[^A-Za-z0-9_])$1([^A-Za-z0-9_]|\$)") || return 0
  printf '%s\n' "$named" | grep -Evq "$assignment" && not_read "$1" "$2"
  text=$(printf '%s\n' "$named" | sed -E "s/$assignment//" | tail -n 1 | sed 's/ *$//')
  case $text in
    \'*\') text=${text#\'} text=${text%\'} ;;
    \"*\") text=${text#\"} text=${text%\"} ;;
    *) text=$(printf %s "$text" | sed 's/  *#.*$//') ;;
  esac
  is_plain "$text" || not_read "$1" "$2"
  printf %s "$text"
}

# Whether a text is of ASCII alone, without white space, quotes and what is special in .env.
is_plain() {
  case $1 in *[!A-Za-z0-9_:.,/+=@%!*?~#^-]*) return 1 ;; esac
}

# Thirty-two bytes in base64url, which are 43 characters.
random() {
  bytes=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
  [ ${#bytes} -eq 43 ] || fail "no random bytes could be made"
  printf %s "$bytes"
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
  case $value in *[[:cntrl:]]*) fail "$2 has a control character in it" ;; esac
  [ -n "$value" ] || value=$(from_dotenv "$2" "$1") || exit 1
  how="has the value of $2"
  if [ -z "$value" ]; then
    how="is new"
    value=$(random) || exit 1
    value=$3$value
  fi
  new=$(mktemp "$file.XXXXXX")
  printf '%s\n' "$value" > "$new"
  # Readable for the containers' users; the folder is for nobody else.
  chmod 0444 "$new"
  # Another run may have made it meanwhile.
  mv -n "$new" "$file"
  if [ -e "$new" ]; then
    rm -f "$new"
    how="is there already"
  fi
  echo "$file $how"
}

mkdir -p secrets
chmod 0700 secrets
make auth_keys AUTH_KEYS k1:
make database_password POSTGRES_PASSWORD ""
make operators_password OPERATORS_PASSWORD ""
make grafana_password GRAFANA_PASSWORD ""
