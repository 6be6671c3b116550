#!/bin/sh
# Brings a new image into use: checks the settings, migrates, then replaces API and workers one container after
# the other. The proxy before two or more APIs refuses nothing meanwhile. Takes the options of `docker compose`
# that `up` was given.
#
#   docker compose build && sh deploy/roll.sh
set -eu
cd "$(dirname "$0")/.."

docker compose "$@" run --rm --no-deps settings-check
docker compose "$@" run --rm --no-deps migrate
# Where the next `up` finds their containers outdated, it stops API and workers for them.
docker compose "$@" up --detach migrate
for service in api accrual-worker; do
  old=$(docker compose "$@" ps --quiet "$service")
  if [ -z "$old" ]; then
    echo "no container of $service runs: docker compose up -d" >&2
    exit 1
  fi
  count=$(echo "$old" | wc -l)
  for container in $old; do
    docker stop "$container"
    docker rm "$container"
    # When the new one is not healthy this fails, and the others are left as they are.
    docker compose "$@" up --wait --no-recreate --scale "$service=$count" "$service"
  done
done
