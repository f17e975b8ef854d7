#!/bin/sh
# Greets in the language that the configuration names.
set -eu

. /usr/lib/hello/greet.sh
. "$HELLO_CONFIG"

greet "$(line_of /usr/share/hello/greetings.txt "$language")" "$(line_of /usr/share/hello/names.txt "$name")"
