#!/bin/sh
# Compiles checks where nobody sees it, and runs them: run.sh CLASSPATH SOURCE...
directory=$(mktemp -d) && trap 'rm -rf "$directory"' EXIT
classpath=$1
shift
javac -cp "$classpath" -d "$directory" "$@" && java -cp "$directory:$classpath" Check
