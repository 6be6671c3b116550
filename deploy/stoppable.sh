#!/bin/sh
# Runs a command, hands SIGTERM on to it, and ends as it does. A process that is asked to stop before it can
# listen has nothing to put in order: it ends with 0 too.
asked=
child=

# Again and again: the child does not hear a signal while it is still becoming the command.
stop() {
  asked=yes
  while [ -n "$child" ] && kill -TERM "$child" 2> /dev/null; do
    sleep 0.2
  done
}

trap stop TERM INT
"$@" &
child=$!
[ -z "$asked" ] || stop
# A signal ends the waiting, and not what is waited for.
while :; do
  wait "$child" && code=0 || code=$?
  kill -0 "$child" 2> /dev/null || break
done
[ -z "$asked" ] || [ "$code" -ne 143 ] || code=0
exit "$code"
