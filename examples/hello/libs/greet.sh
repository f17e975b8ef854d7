# Functions for hello.sh.

greet() {
    printf '%s, %s!\n' "$1" "$2"
}

line_of() {
    sed -n "$2p" "$1"
}
