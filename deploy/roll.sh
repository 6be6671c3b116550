#!/bin/sh
# Brings a new image, changed settings or changed secrets into use: checks the settings, migrates, then replaces
# API and workers one container after the other. The proxy before two or more APIs refuses nothing meanwhile.
# When a new container is not healthy it stops there, and may be run again at any time. Run it where you run
# `docker compose`, with the options that `up` was given.
#
#   docker compose build && sh deploy/roll.sh
set -eu
# As long as the health checks count a container as starting.
HEALTHY_WITHIN_S=120

fail() {
  echo "$1" >&2
  exit 1
}

# remove CONTAINER
remove() {
  docker stop "$1" > /dev/null && docker rm --force "$1" > /dev/null
}

# fill_up SERVICE OPTION...: starts as many containers as are missing, and leaves the others alone.
fill_up() {
  service=$1
  shift
  docker compose "$@" up --wait --wait-timeout "$HEALTHY_WITHIN_S" --no-recreate "$service" ||
    fail "$service is not healthy, and what else runs is as it was: mend it or go back, then run this again"
}

exec 9< docker-compose.yml
! command -v flock > /dev/null || flock --nonblock 9 || fail "another roll is under way"
image=$(docker compose "$@" config --images settings-check)
docker image inspect "$image" > /dev/null 2>&1 || fail "there is no image $image: build it, or mend GOFERMART_IMAGE"

docker compose "$@" run --rm --no-deps settings-check
docker compose "$@" run --rm --no-deps migrate
# Where the next `up` finds their containers outdated, it stops API and workers for them.
docker compose "$@" up --detach migrate

state='{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}'
for service in api accrual-worker; do
  healthy=
  # Those that serve nobody first: they may be of any version, and nobody misses them.
  for container in $(docker compose "$@" ps --all --quiet "$service"); do
    case $(docker inspect --format "$state" "$container") in
      "running healthy") healthy="$healthy $container" ;;
      *) remove "$container" ;;
    esac
  done
  fill_up "$service" "$@"
  for container in $healthy; do
    # There are fewer when the number in the settings is smaller.
    docker inspect "$container" > /dev/null 2>&1 || continue
    remove "$container"
    fill_up "$service" "$@"
  done
done
